"""What is shown of an address that is refused: where it leads, and nothing that may be a secret."""

import pytest

from qcqueue.text.urls import bare_url


@pytest.mark.parametrize("url", ["", "disk", "s3://lab", "FOLDER:queue", "postgresql://h:5432/qs", "folder:/a b/c:d"])
def test_what_holds_no_secret_is_shown_as_it_is(url: str) -> None:
    assert bare_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://qc:CANARY@h/qs", "postgresql://...@h/qs"),
        ("Postgresql+psycopg://qc:CANARY@h/qs+S3://lab/s", "Postgresql+psycopg://...@h/qs+S3://lab/s"),
        ("postgresql://qc:CAN/@ARY@h/qs", "postgresql://...@h/qs"),
        ("postgresql://qc:CANARY", "postgresql://..."),
        ("postgresql://qc:CANARY%40h/qs", "postgresql://.../qs"),
        ("postgresql://h/qs?password=CANARY", "postgresql://h/qs?..."),
        ("postgresql://qc:CAN?ARY@h/qs", "postgresql:..."),
        ("s3://lab/x?sig=CAN@ARY", "s3:..."),
        ("s3://AKIA:CANARY@lab/x", "s3://...@lab/x"),
        ("http://h/#CANARY\nCANARY", "http://h/#..."),
        ("qc:CANARY@h/qs", "qc:...@h/qs"),
        ("CANARY@h", "...@h"),
        ("h?CANARY:x", "...:x"),
    ],
)
def test_what_may_be_one_is_left_out(url: str, shown: str) -> None:
    assert bare_url(url) == shown
    assert "CANARY" not in shown
