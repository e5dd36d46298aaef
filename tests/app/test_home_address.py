"""How a home that nobody can mean is refused."""

import pytest

from qcqueue.app.home_address import home_address
from qcqueue.errors import SettingInvalid


@pytest.mark.parametrize(
    "typed",
    [
        "postgresql://qc:CANARY@h/qs",
        "postgres://qc:CANARY@h/qs+S3://lab/s",
        "postgresql+psycopg://qc:CANARY@h/q+s3://l/s",
    ],
)
def test_a_database_without_its_store_is_told_to_name_it_behind_a_plus(typed: str) -> None:
    with pytest.raises(SettingInvalid, match="A names a database without a store") as refused:
        home_address(typed, source="A")
    assert "behind a plus" in refused.value.next_step
    assert "CANARY" not in str(refused.value) + refused.value.next_step


def test_what_to_type_finds_its_queue_whatever_the_shell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QCQUEUE_DATABASE", raising=False)
    on_a_server = home_address("postgresql://ada@db/queue+s3://lab/queue", source="a test")
    in_a_bucket = home_address("s3://lab/queue", source="a test")
    assert in_a_bucket.types("status") == "qcqueue status --store s3://lab/queue"
    monkeypatch.setenv("QCQUEUE_DATABASE", "postgresql://ada@db/older")
    assert on_a_server.types("status") == (
        "QCQUEUE_DATABASE=postgresql://ada@db/queue qcqueue status --store s3://lab/queue"
    )
    assert in_a_bucket.types("status") == "env -u QCQUEUE_DATABASE qcqueue status --store s3://lab/queue"
