"""The table of stores: what a URL names, which are refused, whose secrets a child process is given."""

import subprocess
import sys

import pytest

from qcqueue.errors import SettingInvalid
from qcqueue.stores.registry import STORES, as_url, backend_of, parse_url, without_secrets

GOOD = {
    "folder": "/data/queue",
    "shared": "/data/queue",
    "gdrive": "1AbCdEfGhIj",
    "s3": "//bucket/queue",
    "az": "//container/lab/queue",
    "gs": "//a.bucket_of-ours/queue",
}


@pytest.mark.parametrize("scheme", STORES)
def test_a_url_of_every_kind_comes_back_as_it_was(scheme: str) -> None:
    url = f"{scheme}:{GOOD[scheme]}"
    named = parse_url(url, source="--store")
    assert (named.url, named.kind, named.is_new) == (url, STORES[scheme], False)
    assert named.backend is backend_of(scheme)
    assert named.kind.form.startswith(f"{scheme}:")


@pytest.mark.parametrize(
    "link",
    [
        "https://drive.google.com/drive/folders/1AbCdEfGhIj",
        "https://drive.google.com/drive/folders/1AbCdEfGhIj?usp=sharing",
        "https://drive.google.com/drive/u/0/folders/1AbCdEfGhIj?usp=drive_link#top",
        "https://drive.google.com/drive/mobile/folders/1AbCdEfGhIj/",
        "https://drive.google.com/open?id=1AbCdEfGhIj&usp=drive_fs",
        "drive.google.com/drive/folders/1AbCdEfGhIj",
    ],
)
def test_a_link_of_drive_names_the_folder_it_shows(link: str) -> None:
    assert parse_url(link, source="--store").url == as_url(link) == "gdrive:1AbCdEfGhIj"


@pytest.mark.parametrize(
    "link",
    [
        "https://drive.google.com/file/d/1AbCdEfGhIjKl/view",
        "https://drive.google.com/drive/folders/",
        "https://drive.google.com/drive/my-drive",
        "https://drive.google.com.example/drive/folders/1AbCdEfGhIj",
        "http://example.org/?https://drive.google.com/drive/folders/1AbCdEfGhIj",
    ],
)
def test_a_link_to_anything_else_is_refused(link: str) -> None:
    assert as_url(link) == link
    with pytest.raises(SettingInvalid):
        parse_url(link, source="--store")


def test_what_is_said_of_a_store_by_its_url_imports_none() -> None:
    program = (
        "import sys; from qcqueue.stores.registry import *\n"
        "print(label_of('gdrive:x'), label_of('folder:x'), label_of('s3:x'), kind_of(None), len(without_secrets({})))\n"
        "print({name for name in sys.modules if name.startswith(('qcqueue.stores.folder', 'qcqueue.stores.drive',"
        " 'qcqueue.stores.objects', 'obstore'))})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "Drive the store the bucket None 0\nset()\n"


def test_a_child_that_has_no_business_with_a_store_is_given_none_of_its_secrets() -> None:
    given = {"PATH": "/bin", "QCQUEUE_TOKEN": "secret", "QCQUEUE_CLIENT": "secret"}
    assert without_secrets(given) == without_secrets(given, but_for="folder:queue") == {"PATH": "/bin"}
    assert without_secrets(given, but_for="gdrive:new") == given
    given = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert without_secrets(given, but_for="az://container/queue") == {"AWS_REGION": "eu-west-1"}
    assert without_secrets(given, but_for="s3://bucket/queue") == given


@pytest.mark.parametrize(
    "url",
    [
        "queue",
        "folder:",
        "s3://bucket",
        "s3:bucket/queue",
        "s3://B/q",
        "az://cont/../x",
        "gs://bucket/a b",
        "gdrive:1x2y",
        "FOLDER:queue",
        ":queue",
        "",
    ],
)
def test_any_other_url_is_refused_and_named(url: str) -> None:
    with pytest.raises(SettingInvalid, match=f"the store '{url}' \\(from QCQUEUE_STORE\\)") as refused:
        parse_url(url, source="QCQUEUE_STORE")
    assert refused.value.hint


@pytest.mark.parametrize(
    "url",
    ["postgresql://qc:CANARY@h/qs", "postgres://qc:CANARY@h/qs+S3://lab/s", "Postgresql+psycopg://qc:CANARY@h/qs"],
)
def test_a_database_in_the_place_of_a_store_is_told_where_it_belongs_without_its_password(url: str) -> None:
    with pytest.raises(SettingInvalid, match="is a database, and no store") as refused:
        parse_url(url, source="--store")
    assert "QCQUEUE_DATABASE" in refused.value.next_step
    assert "CANARY" not in str(refused.value) + refused.value.next_step


def test_keys_in_a_url_of_a_bucket_are_not_shown() -> None:
    with pytest.raises(SettingInvalid) as refused:
        parse_url("s3://AKIA:CANARY@lab/x", source="--store")
    assert "CANARY" not in str(refused.value) + refused.value.next_step
