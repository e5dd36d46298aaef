"""The released version 0.5.1 works on a queue, in a process of its own, while commands of today are typed at it."""

import contextlib
import json
import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.database.schema import FORMAT
from qcqueue.spool.reader import Spool
from tests.app.saved import age, stored
from tests.cli.queues import House
from tests.datasets.pictures import folder_of, three_classes
from tests.end_to_end.machines import LIMIT_S, STUDY, VGG16, Worker, wait_until, working
from tests.end_to_end.released import RELEASED_FORMAT, Before

pytestmark = [pytest.mark.tensorflow, pytest.mark.long]

EPOCHS = 2000
JOBS = STUDY.replace("epochs = 3", f"epochs = {EPOCHS}") + VGG16 + VGG16 + 'name = "other"\n'
WRITES = (
    "enqueue more.toml",
    "hold other",
    "data add pictures --name scans --image-size 32",
    "store gc --yes",
    "work",
)
LOOKS = ("status", "show vgg16", "why other", "plan", "store usage", "report --out report")


class Person:
    """Types commands of today on one machine."""

    def __init__(self, house: House, said: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._said = said
        monkeypatch.chdir(house.folder)
        monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(house.config))
        monkeypatch.delenv("QCQUEUE_STORE", raising=False)

    def types(self, line: str, *, code: int = 0) -> tuple[str, str]:
        self._said.readouterr()
        found = run(line.split())
        out, err = self._said.readouterr()
        assert found == code, (line, out, err)
        return out, err

    def epochs(self) -> int:
        (job,) = (job for job in json.loads(self.types("status --json")[0])["jobs"] if job["name"] == "small/vgg16")
        return int(job["epochs_done"])


def a_queue_of_before(before: Before, house: House, url: str) -> None:
    """Have the released version make a queue with two jobs, and a machine of a person with study files and pictures."""
    folder_of(house.folder / "pictures", three_classes(each=13))
    house.write("study.toml", JOBS)
    house.write("more.toml", JOBS + 'name = "more"\nseed = 9\n'.replace("name", VGG16 + "name"))
    before.types(house, f"init --store {url}")
    before.types(house, "data add pictures --name noise --image-size 32 --split 20,10,9")
    before.types(house, "enqueue study.toml")
    place = open_context(load_settings(folder=house.folder, environment={"QCQUEUE_CACHE": str(house.cache)}))
    stored(place, "nobody has ever named this")
    age(place, 30 * 86400)


def refused_and_looked_at(person: Person, session: Worker, house: House, who: str) -> None:
    """See that commands of today end nobody's work, and that who only looks is answered."""
    wait_until(lambda: f"epoch 1 of {EPOCHS} is saved" in session.said)
    blobs = sorted(path.name for path in (house.store / "blobs").iterdir() if "-" not in path.name)
    done = person.epochs()
    for line in WRITES:
        _, err = person.types(line, code=6)
        assert err.startswith("qcqueue: a session of an older qcqueue works on this queue (")
        assert f", {who}" in err.splitlines()[0]
        assert err.splitlines()[1].endswith("--now (in a notebook: now=True)")
    for line in LOOKS:
        assert "Traceback" not in "".join(person.types(line))
    person.types("fetch vgg16 --format safetensors --out here --weights last")
    assert sorted(path.name for path in (house.store / "blobs").iterdir() if "-" not in path.name) == blobs
    wait_until(lambda: saved(session) > done)
    assert person.epochs() > done
    assert session.process.poll() is None


def test_on_one_machine_a_session_of_before_goes_on_until_its_process_is_gone(
    tmp_path: Path, before: Before, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(folder=tmp_path / "house")
    a_queue_of_before(before, house, "folder:queue")
    person = Person(house, capfd, monkeypatch)
    with before.working(house) as session:
        refused_and_looked_at(person, session, house, "a process of this machine")
        assert format_of(house) == RELEASED_FORMAT
        os.killpg(session.process.pid, signal.SIGKILL)
        session.ended()
    done = person.epochs()
    assert (
        person.types("hold other")[1]
        == f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read\n"
    )
    assert format_of(house) == FORMAT
    assert person.epochs() == done

    # A session of today goes on with it, until somebody raises the queue behind its back in turn.
    with working(house, "--json") as session:
        wait_until(lambda: "attempt 2" in session.said and f" of {EPOCHS} is saved" in session.said)
        assert person.epochs() >= done
        set_format(house, FORMAT + 1)
        assert session.ended() == 4
    said = session.said
    assert f"the queue was raised to format {FORMAT + 1} by a newer qcqueue; " in said
    assert said.count("pip install --upgrade qcqueue, then qcqueue work") == 1
    assert '"ending": "newer_queue"' in said.splitlines()[-1]
    assert "Traceback" not in said
    assert person.types("status", code=5)[1].count("\n") == 2
    assert any((house.cache / "spool").iterdir())


def test_on_a_shared_disk_now_raises_it_at_once_and_loses_no_saved_epoch(
    tmp_path: Path, before: Before, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, colab = House(folder=tmp_path / "laptop"), House(folder=tmp_path / "colab")
    a_queue_of_before(before, laptop, f"shared:{laptop.store}")
    colab.write("qcqueue.toml", f'store = "shared:{laptop.store}"\n')
    person = Person(laptop, capfd, monkeypatch)
    with before.working(colab) as session:
        refused_and_looked_at(person, session, laptop, "heard of ")
        done = person.epochs()
        out, err = person.types("enqueue more.toml --now")
        assert "enqueued  small/more" in out
        assert err == (
            f"the queue was raised to format {FORMAT}, which an older qcqueue cannot read; its sessions at work may "
            "stop, and what they have not saved waits on their machines\n"
        )
        assert session.ended() == 5  # it is told by its own words, which know no better
        assert f"has database format {FORMAT}; this qcqueue knows up to {RELEASED_FORMAT}" in session.said
    kept = person.epochs()
    assert kept >= done
    has_unsaved = any(Spool(folder).holds_unsaved() for folder in (colab.cache / "spool").iterdir())
    with working(colab, "--max-epochs", "1") as session:
        assert session.ended() == 20
    assert ("saving what attempt 1 on small/vgg16 left on this machine" in session.said) == has_unsaved
    assert "cannot be read" not in session.said
    assert "small/vgg16, attempt 2: goes on after epoch" in session.said
    assert person.epochs() > kept


def saved(session: Worker) -> int:
    """Return the newest epoch that a session has said is saved."""
    return max(map(int, re.findall(rf"epoch (\d+) of {EPOCHS} is saved", session.said)), default=0)


def format_of(house: House) -> int:
    with contextlib.closing(sqlite3.connect(house.database)) as connection:
        return int(connection.execute("SELECT format FROM meta").fetchone()[0])


def set_format(house: House, number: int) -> None:
    with contextlib.closing(sqlite3.connect(house.database, timeout=LIMIT_S)) as connection, connection:
        connection.execute("UPDATE meta SET format = ?", (number,))
