"""What the URL of a database means, what is refused of it, and that a password in it is shown nowhere."""

import traceback

import pytest

from qcqueue.database.address import ServerAddress, refuse_password, server_address
from qcqueue.errors import SettingInvalid

SECRET = "hush-hush"


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgresql://ada@db.lab/queue", ServerAddress(host="db.lab", user="ada", database="queue")),
        ("postgres://db.lab:6432/queue", ServerAddress(host="db.lab", port=6432, database="queue")),
        ("postgresql:///queue", ServerAddress(database="queue")),
        ("postgresql://[::1]:5432/a%20b", ServerAddress(host="::1", port=5432, database="a b")),
        (
            "postgresql://ada%40lab@h/q?sslmode=verify-full&options=-csearch_path%3Dmine",
            ServerAddress(
                host="h",
                user="ada@lab",
                database="q",
                options=(("sslmode", "verify-full"), ("options", "-csearch_path=mine")),
            ),
        ),
    ],
)
def test_a_url_names_a_database_on_a_server(url: str, meant: ServerAddress) -> None:
    found = server_address(url, source="here")
    assert found == meant
    assert server_address(found.url, source="again") == found


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@db.lab/queue",
        f"postgresql://ada@db.lab/queue?password={SECRET}",
        f"postgresql://ada@db.lab/queue?sslmode=require&sslpassword={SECRET}",
    ],
)
def test_a_password_is_kept_and_never_shown(url: str) -> None:
    found = server_address(url, source="QCQUEUE_DATABASE")
    assert found.password == SECRET
    assert SECRET not in found.url
    assert SECRET not in repr(found)
    with pytest.raises(SettingInvalid, match="holds a password") as caught:
        refuse_password(found, source="qcqueue.toml")
    assert "PGPASSWORD" in caught.value.next_step
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@db.lab",
        f"postgresql://ada:{SECRET}@db.lab/a/b",
        f"postgresql://ada:{SECRET}@db.lab:port/queue",
        f"postgresql://ada:{SECRET}/with-a-slash@db.lab/queue",
        f"postgresql://ada:{SECRET}@[::1/queue",
        f"postgresql://ada:{SECRET}#@db.lab/queue",
        f"postgresql://ada:{SECRET}@db.lab/queue?sslmod=require",
        f"mysql://ada:{SECRET}@db.lab/queue",
        f"postgresql+psycopg://ada:{SECRET}@db.lab/queue",
        f"ada:{SECRET}@db.lab/queue",
        f"postgresql://ada:{SECRET} @db.lab/queue\n",
        f"postgresql://ada:{SECRET}@db.lab/queue%00zz",
        f"postgresql://ada%0A:{SECRET}@db.lab/queue",
        f"postgresql://ada:{SECRET}%00@db.lab/queue",
        f"postgresql://ada:{SECRET}@db.lab/queue?sslmode=require%7F",
    ],
)
def test_what_names_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingInvalid, match="the database from QCQUEUE_DATABASE") as caught:
        server_address(url, source="QCQUEUE_DATABASE")
    assert caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caught.value.hint


def test_a_misspelt_option_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingInvalid, match="did you mean sslmode"):
        server_address("postgresql://h/q?sslmod=require", source="here")
