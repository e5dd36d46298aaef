"""A queue on a server: what its server, its administrator or the network can do to it, told in words."""

import contextlib
import os
import shlex
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, select

from qcqueue.conformance.processes import race, running
from qcqueue.database import migrations, postgres, schema
from qcqueue.database import server as home
from qcqueue.database.address import ServerAddress, server_address
from qcqueue.database.base import Refuse
from qcqueue.database.schema import FORMAT, history, meta
from qcqueue.database.server import ServerDatabase
from qcqueue.errors import (
    CorruptionError,
    ExtraMissing,
    OlderSession,
    OutcomeUnknown,
    QcqueueError,
    SettingInvalid,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    UnknownFormat,
)
from qcqueue.queue.history import record_event
from tests.support.servers.between import answer, between
from tests.support.servers.on_postgres import needs_postgres
from tests.support.servers.postgres import PASSWORD, Server, programs, server, stopped
from tests.support.servers.wire import wire_to

pytestmark = [pytest.mark.servers, pytest.mark.racing]


@pytest.fixture
def lab() -> Server:
    needs_postgres()
    return server()


@pytest.fixture
def name(lab: Server) -> str:
    return lab.new_database()


@pytest.fixture
def address(lab: Server, name: str) -> ServerAddress:
    return server_address(lab.url(name), source="a test")


@pytest.fixture(params=postgres.DRIVERS)
def database(address: ServerAddress, request: pytest.FixtureRequest) -> Iterator[ServerDatabase]:
    with contextlib.closing(ServerDatabase(address, driver=request.param)) as database:
        database.create()
        yield database


def note(tx: Connection, why: str = "") -> None:
    record_event(tx, who="w", what="w", now_s=1.0, why=why)


def lines(database: ServerDatabase) -> int:
    with database.read() as tx:
        return len(tx.execute(select(history.c.id)).all())


def refused(kind: type[QcqueueError], words: str, do: Callable[[], object]) -> str:
    """Return the hint of an error of this kind that says these words, with no trace of a password."""
    with pytest.raises(kind, match=words) as caught:
        do()
    whole = "".join(traceback.format_exception(caught.value)) + caught.value.next_step
    assert PASSWORD not in whole
    assert "\n" not in str(caught.value)
    return caught.value.next_step


# Who is let in, and to what.


def test_a_server_that_is_not_there_is_away(address: ServerAddress) -> None:
    with contextlib.closing(ServerDatabase(replace(address, port=1))) as database:
        refused(StoreAway, r"127\.0\.0\.1:1 cannot be reached", database.create)


def test_a_wrong_password_and_none_are_told_apart(address: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    for password, words in (("another", "refuses the password of the user owner"), (None, "asks the user owner")):
        with contextlib.closing(ServerDatabase(replace(address, password=password))) as database:
            assert "PGPASSWORD" in refused(StoreDenied, words, lambda: database.transact(note))


@pytest.mark.parametrize("driver", postgres.DRIVERS)
@pytest.mark.parametrize(
    ("asked", "kind", "words", "way_out"),
    [
        ({"sslmode": "banana"}, SettingInvalid, 'invalid sslmode value: "banana"$', "correct sslmode in the URL"),
        ({"sslmode": "require"}, StoreDenied, "does not support SSL", "sslmode"),
    ],
)
def test_what_a_connection_was_asked_to_be_and_cannot_is_answered_with_what_to_change(
    address: ServerAddress, driver: str, asked: dict[str, str], kind: type[QcqueueError], words: str, way_out: str
) -> None:
    with contextlib.closing(ServerDatabase(replace(address, options=tuple(asked.items())), driver=driver)) as database:
        assert way_out in refused(kind, words, database.create)


@pytest.mark.parametrize("driver", postgres.DRIVERS)
def test_a_port_where_something_else_answers_is_answered_with_how_to_name_another(
    address: ServerAddress, driver: str
) -> None:
    with between("http://127.0.0.1:9", answer(400)) as another:
        port = urlsplit(another.endpoint).port
        with contextlib.closing(ServerDatabase(replace(address, port=port), driver=driver)) as database:
            assert "HOST:PORT" in refused(StoreError, "took no connection", database.create)


def test_a_password_in_the_environment_opens_it(
    address: ServerAddress, database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with contextlib.closing(ServerDatabase(replace(address, password=None))) as without:
        without.transact(note)
    assert lines(database) == 1


def test_a_user_that_nobody_knows_is_refused(lab: Server, name: str) -> None:
    stranger = server_address(lab.url(name, user="stranger"), source="a test")
    with contextlib.closing(ServerDatabase(stranger)) as database:
        refused(StoreDenied, "stranger", database.create)


def test_a_database_that_is_not_there_is_answered_with_how_to_make_it(address: ServerAddress) -> None:
    with contextlib.closing(ServerDatabase(replace(address, database="nowhere"))) as database:
        hint = refused(StoreMissing, "has no database nowhere", database.create)
    assert hint == f"createdb -h 127.0.0.1 -p {address.port} --encoding=UTF8 --template=template0 nowhere"


def test_a_user_who_may_make_no_tables_is_told_what_to_ask_for(lab: Server, name: str) -> None:
    lab.sql("DROP ROLE IF EXISTS guest", f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    guest = server_address(lab.url(name, user="guest"), source="a test")
    with contextlib.closing(ServerDatabase(guest)) as database:
        assert "GRANT" in refused(StoreDenied, "permission denied for schema public", database.create)


def test_a_user_who_may_only_look_looks_and_changes_nothing(lab: Server, name: str, database: ServerDatabase) -> None:
    database.transact(note)
    lab.sql("DROP ROLE IF EXISTS reader", f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    lab.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database=name)
    reader = server_address(lab.url(name, user="reader"), source="a test")
    with contextlib.closing(ServerDatabase(reader)) as looking:
        assert lines(looking) == 1
        refused(StoreDenied, "does not let this user do that", lambda: looking.transact(note))
    lab.sql("DROP OWNED BY reader", database=name)


# What a database must be.


def test_text_that_is_not_utf8_is_refused_before_anything_is_made(lab: Server) -> None:
    for encoding in ("LATIN1", "SQL_ASCII"):
        address = server_address(lab.url(lab.new_database(encoding=encoding)), source="a test")
        with contextlib.closing(ServerDatabase(address)) as database:
            assert "UTF8" in refused(SettingInvalid, encoding, database.create)


def test_a_server_that_is_too_old_is_refused(address: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "OLDEST", 99)
    with contextlib.closing(ServerDatabase(address)) as database:
        refused(SettingInvalid, "needs 99 or newer", database.create)


def test_without_a_library_it_says_what_to_install(address: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DRIVERS", ("a_library_of_nobody",))
    assert "qcqueue[postgres]" in refused(ExtraMissing, "library", lambda: ServerDatabase(address))


def test_a_rehearsal_of_its_making_leaves_nothing(database: ServerDatabase, lab: Server) -> None:
    other = replace(database.address, database=lab.new_database())
    with contextlib.closing(ServerDatabase(other)) as made:
        assert made.create(dry_run=True)
        refused(StoreMissing, "there is no queue in", lambda: made.transact(note))
        assert made.create()
        assert not made.create()


def test_two_queues_live_in_two_schemas_of_one_database_and_do_not_wait_for_each_other(lab: Server, name: str) -> None:
    lab.sql("CREATE SCHEMA one AUTHORIZATION owner", "CREATE SCHEMA two AUTHORIZATION owner", database=name)
    urls = [f"{lab.url(name)}?options=-csearch_path%3D{schema}" for schema in ("one", "two")]
    with contextlib.ExitStack() as both:
        one, two = (
            both.enter_context(contextlib.closing(ServerDatabase(server_address(url, source="a test")))) for url in urls
        )
        assert one.create()
        assert two.create()

        def in_both(tx: Connection) -> None:
            note(tx)
            two.transact(note)
            two.transact(note)

        one.transact(in_both)
        assert (lines(one), lines(two)) == (1, 2)


def test_a_schema_that_is_not_there_is_answered_with_how_to_make_it(lab: Server, name: str) -> None:
    address = server_address(f"{lab.url(name)}?options=-csearch_path%3Dnowhere", source="a test")
    with contextlib.closing(ServerDatabase(address)) as database:
        assert "CREATE SCHEMA" in refused(StoreMissing, "no schema", database.create)


# What can happen to a connection.


def test_a_connection_that_was_lost_between_two_transactions_costs_nobody_anything(
    database: ServerDatabase, lab: Server, name: str
) -> None:
    for _ in range(3):
        database.transact(note)
        lab.cut_connections(name)
        lines(database)
        lab.cut_connections(name)
    assert lines(database) == 3


def test_a_connection_lost_within_a_transaction_takes_it_back(database: ServerDatabase, lab: Server, name: str) -> None:
    def cut(tx: Connection) -> None:
        note(tx)
        lab.cut_connections(name)
        note(tx)

    refused(StoreAway, "nothing was changed", lambda: database.transact(cut))
    assert lines(database) == 0


def test_a_connection_lost_while_it_commits_leaves_the_outcome_unknown(
    database: ServerDatabase, lab: Server, name: str
) -> None:
    lab.sql(
        "CREATE FUNCTION leave() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER leaving AFTER INSERT ON history DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION leave()",
        database=name,
    )
    refused(OutcomeUnknown, "may or may not have been saved", lambda: database.transact(note))


def test_a_commit_that_landed_and_whose_answer_was_lost_is_told_apart_by_looking(
    address: ServerAddress, database: ServerDatabase
) -> None:
    assert address.port
    with wire_to(address.port) as wire, contextlib.closing(ServerDatabase(replace(address, port=wire.port))) as far:
        far.transact(note)
        wire.cuts = 1
        refused(OutcomeUnknown, "may or may not have been saved", lambda: far.transact(note))
        assert wire.lost == 1
        assert lines(far) == 2, "it was saved"
        far.transact(note)
    assert lines(database) == 3


def test_a_server_that_goes_away_and_comes_back_is_waited_for_by_whoever_asks_again(
    database: ServerDatabase, lab: Server
) -> None:
    database.transact(note)
    with stopped(lab):
        refused(StoreError, r"127\.0\.0\.1", lambda: database.transact(note))
        refused(StoreAway, "cannot be reached", lambda: lines(database))
    database.transact(note)
    assert lines(database) == 2


def test_a_writer_that_is_asleep_is_cut_off_and_what_it_had_begun_is_void(
    database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = home._TAKE_TURN.replace(f"'{home.SILENT_S}s'", "'1s'")
    monkeypatch.setattr(home, "_TAKE_TURN", impatient)
    with running(write_and_wait, database.address, impatient) as (process, pipe):
        pipe.recv()
        assert process.pid
        os.kill(process.pid, signal.SIGSTOP)
        database.transact(note)
        os.kill(process.pid, signal.SIGCONT)
        pipe.send("go on")
        assert pipe.recv() == "StoreAway"
    assert lines(database) == 1


def test_who_waits_for_a_turn_without_an_end_is_told(database: ServerDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_TAKE_TURN", home._TAKE_TURN.replace(f"'{home.TURN_S}s'", "'100ms'"))

    def at_once(tx: Connection) -> None:
        refused(StoreBusy, "other sessions have kept", lambda: database.transact(note))
        note(tx)

    database.transact(at_once)
    assert lines(database) == 1


# What a server says of its state.


def test_a_standby_or_a_database_that_may_only_be_read_says_so(
    database: ServerDatabase, lab: Server, name: str
) -> None:
    lab.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    lab.cut_connections(name)
    refused(StoreDenied, "can only be read", lambda: database.transact(note))
    assert lines(database) == 0


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", StoreFull, "no room left on the server"),
        ("40P01", StoreBusy, "could not do it now"),
        ("XX001", CorruptionError, "is damaged"),
        ("58030", StoreError, "input is out"),
    ],
)
def test_what_goes_wrong_on_the_server_has_its_words_and_changes_nothing(
    database: ServerDatabase, lab: Server, name: str, code: str, kind: type[QcqueueError], words: str
) -> None:
    lab.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'input is out' USING ERRCODE = '{code}'; END $$",
        "CREATE TRIGGER failing AFTER INSERT ON history FOR EACH ROW EXECUTE FUNCTION fail()",
        database=name,
    )
    refused(kind, words, lambda: database.transact(note))
    assert lines(database) == 0


# Formats to come, and tables of others.


def test_every_step_from_the_first_format_on_a_server_stands_in_both_words() -> None:
    assert set(migrations.SERVER_STEPS) == {number for number in migrations.STEPS if number >= 7}


@pytest.fixture
def of_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this qcqueue know one format more than the one whose queue is there."""
    step = ("ALTER TABLE settings ADD COLUMN settled_at_s FLOAT",)
    monkeypatch.setattr(migrations, "SERVER_STEPS", {FORMAT: step})
    for module in (migrations, home, schema):
        monkeypatch.setattr(module, "FORMAT", FORMAT + 1)


class Doorkeeper:
    """A guard that notes whether it was told."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.told = 0

    def look(self, tx: Connection) -> Refuse:
        def refuse() -> None:
            if self.refuses:
                raise OlderSession

        return refuse

    def raised(self) -> None:
        self.told += 1


def columns(tx: Connection) -> list[str]:
    return list(tx.exec_driver_sql("SELECT * FROM settings").keys())


def stored_format(lab: Server, name: str) -> list[str]:
    return lab.sql("SELECT format FROM meta", database=name)


def test_whoever_looks_at_an_older_queue_sees_todays_and_leaves_it(
    database: ServerDatabase, lab: Server, name: str, of_tomorrow: None
) -> None:
    with database.read() as tx:
        assert columns(tx)[-1] == "settled_at_s"
        assert tx.execute(select(meta.c.format)).scalar_one() == FORMAT + 1
    assert stored_format(lab, name) == [str(FORMAT)]
    with pytest.raises(StoreDenied), database.read() as tx:
        note(tx)


def test_a_change_raises_an_older_queue_and_a_look_or_a_refusal_does_not(
    address: ServerAddress, database: ServerDatabase, lab: Server, name: str, of_tomorrow: None
) -> None:
    guard = Doorkeeper(refuses=True)
    with contextlib.closing(ServerDatabase(address, guard=guard)) as older:
        assert older.transact(lambda tx: len(columns(tx))) == 3
        with pytest.raises(OlderSession):
            older.transact(note)
        assert (stored_format(lab, name), guard.told) == ([str(FORMAT)], 0)
        guard.refuses = False
        older.transact(note, dry_run=True)
        assert (stored_format(lab, name), guard.told) == ([str(FORMAT)], 0)
        older.transact(note)
        assert (stored_format(lab, name), guard.told) == ([str(FORMAT + 1)], 1)
        assert lines(older) == 1


@pytest.mark.parametrize("found", [FORMAT - 1, 0, 2**40])
def test_a_format_that_no_server_ever_had_is_refused(
    database: ServerDatabase, lab: Server, name: str, found: int
) -> None:
    lab.sql(f"UPDATE meta SET format = {found}", database=name)
    refused(UnknownFormat, str(found), lambda: database.transact(note))


def test_a_table_that_somebody_has_taken_away_or_replaced_is_told(
    database: ServerDatabase, lab: Server, name: str
) -> None:
    lab.sql("ALTER TABLE history RENAME TO another", database=name)
    hint = refused(CorruptionError, "are damaged or incomplete", lambda: lines(database))
    assert hint.startswith("put it back from a backup")
    lab.sql("CREATE VIEW history AS SELECT 'x'::text AS id", "GRANT ALL ON history TO owner", database=name)
    refused(CorruptionError, "history.id holds", lambda: lines(database))


@pytest.mark.parametrize("loss", ["DROP TABLE history", "DROP TABLE meta"])
def test_a_queue_of_which_something_is_missing_is_put_back_as_the_hint_says(
    database: ServerDatabase, lab: Server, name: str, loss: str, tmp_path: Path
) -> None:
    folder = programs()
    assert folder
    database.transact(lambda tx: note(tx, "kept"))
    dump = tmp_path / "queue.dump"
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    subprocess.run(
        [folder / "pg_dump", "--format=custom", f"--file={dump}", lab.url(name)], env=environment, check=True
    )
    lab.sql(loss, database=name)
    hint = refused(CorruptionError, "are damaged or incomplete", lambda: lines(database))
    refused(CorruptionError, "are damaged or incomplete", lambda: database.transact(note))
    command = shlex.split(hint.rpartition(": ")[2].replace("DUMP", str(dump)))
    assert command[0] == "pg_restore"
    subprocess.run([folder / command[0], "--username=owner", *command[1:]], env=environment, check=True)
    assert lines(database) == 1


def test_tables_of_others_are_no_damaged_queue(lab: Server, name: str, address: ServerAddress) -> None:
    lab.sql("CREATE TABLE jobs (id int)", "CREATE TABLE meta (key text)", database=name)
    with contextlib.closing(ServerDatabase(address)) as database:
        assert "qcqueue init" in refused(CorruptionError, "none of a queue", lambda: lines(database))


# Many at once.


def test_a_hundred_commits_of_four_processes_are_all_there_once(database: ServerDatabase) -> None:
    race(commit_often, [(database.address, number) for number in range(4)])
    with database.read() as tx:
        said = [why for (why,) in tx.execute(select(history.c.why))]
        ids = [one for (one,) in tx.execute(select(history.c.id).order_by(history.c.id))]
    assert sorted(said) == sorted(f"{number}-{count}" for number in range(4) for count in range(25))
    assert ids == list(range(1, 101))


def commit_often(address: ServerAddress, number: int, together: object) -> None:
    database = ServerDatabase(address)
    together.wait()  # type: ignore[attr-defined]
    for count in range(25):
        database.transact(lambda tx: note(tx, f"{number}-{count}"))  # noqa: B023 (run at once)


def write_and_wait(address: ServerAddress, impatient: str, pipe: Pipe) -> None:
    home._TAKE_TURN = impatient

    def write(tx: Connection) -> None:
        note(tx)
        pipe.send("written")
        pipe.recv()
        note(tx)

    try:
        ServerDatabase(address).transact(write)
    except QcqueueError as exc:
        pipe.send(type(exc).__name__)
    else:
        pipe.send("done")
