"""Several people on one queue, as they type commands: whose jobs are whose, and what they have settled."""

import json
from typing import Any

import pytest

from qcqueue.app.report import ReportScope, read_study
from qcqueue.cli.main import run
from qcqueue.queue.enqueue import enqueue
from tests.cli.on_drive import ADA as ADA_ON_DRIVE
from tests.cli.on_drive import a_laptop
from tests.cli.queues import JOB, STUDY, House, a_job, note_time, take, train
from tests.cli.test_drive_commands import a_study

ADA, BOB = "ada@example.org", "bob@example.org"


class People:
    """Type commands in one house, each under a name of their own."""

    def __init__(self, house: House, said: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.house = house
        self._said = said
        self._patch = patch

    def type(self, line: str, *, owner: str | None = None, code: int = 0) -> tuple[str, str]:
        if owner is None:
            self._patch.delenv("QCQUEUE_OWNER", raising=False)
        else:
            self._patch.setenv("QCQUEUE_OWNER", owner)
        self._said.readouterr()
        found = run(line.split())
        out, err = self._said.readouterr()
        assert found == code, out + err
        return out, err

    def reads(self, line: str, *, owner: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.type(f"{line} --json", owner=owner)[0])
        return answer


@pytest.fixture
def people(empty_house: House, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> People:
    place = empty_house.queue
    for owner, names in ((ADA, ("a1", "a2")), (BOB, ("b1",)), (None, ("free",))):
        specs = [a_job(name) for name in names]
        place.transact(
            lambda tx, owner=owner, specs=specs: enqueue(  # type: ignore[misc]
                tx, specs, weights={}, owner=owner, who="user", now_s=1.0
            )
        )
    return People(empty_house, capfd, monkeypatch)


def names_in(found: dict[str, Any]) -> list[str]:
    return [job["name"] for job in found["jobs"]]


def test_a_job_belongs_to_whoever_enqueues_it(people: People) -> None:
    people.house.write("study.toml", STUDY + JOB)
    people.type("enqueue study.toml", owner=ADA)
    found = {job["name"]: job["owner"] for job in people.reads("status")["jobs"]}
    assert found == {"tiny/a1": ADA, "tiny/a2": ADA, "tiny/b1": BOB, "tiny/free": None, "tiny/vgg16": ADA}


def test_what_another_has_enqueued_stays_theirs_and_that_is_said(people: People) -> None:
    people.house.write("study.toml", STUDY + JOB)
    people.type("enqueue study.toml", owner=ADA)
    out, _ = people.type("enqueue study.toml", owner=BOB)
    assert f"already there  tiny/vgg16, which belongs to {ADA}" in out
    assert people.reads("enqueue study.toml", owner=BOB)["of_others"] == {"tiny/vgg16": ADA}
    assert "belongs" not in people.type("enqueue study.toml", owner=ADA)[0]


@pytest.mark.parametrize("owner", ["a\nb", "x" * 101, "a\x1b[31mb", "\u202eevil"])
def test_a_hostile_owner_is_refused_in_one_sentence_and_changes_nothing(owner: str, people: People) -> None:
    people.house.write("study.toml", STUDY + JOB)
    before = people.house.fingerprint()
    for line in ("enqueue study.toml", "status", "plan"):
        out, err = people.type(line, owner=owner, code=2)
        sentence, hint = err.splitlines()
        assert (out, hint) == ("", "next: export QCQUEUE_OWNER=YOU@EXAMPLE.ORG")
        assert "QCQUEUE_OWNER: found" in sentence
        assert sentence.isprintable()
    assert people.house.fingerprint() == before


def test_owners_are_shown_where_there_are_several(people: People) -> None:
    out, _ = people.type("status")
    assert [line.split()[-1] for line in out.splitlines()[:5]] == ["OWNER", ADA, ADA, BOB, "anybody"]
    for line in ("status", "plan"):
        assert "OWNER" in people.type(line)[0]
        assert "OWNER" not in people.type(f"{line} --mine", owner=ADA)[0]


def test_what_is_next_is_what_a_session_of_whoever_asks_may_take(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCQUEUE_PROFILE", "colab-free")  # where accounts do their own work only
    for owner, first in ((ADA, "tiny/a1"), (BOB, "tiny/b1"), (None, "tiny/free")):
        assert f"Next is {first}," in people.type("", owner=owner)[0]
    people.type("hold tiny/free")
    assert "Next is" not in people.type("")[0]


def test_whose_a_job_is_stands_in_what_is_said_of_it(people: People) -> None:
    assert f"of {ADA}" in people.type("show tiny/a1")[0].splitlines()
    assert "of anybody" not in people.type("show tiny/free")[0]


def test_mine_are_my_jobs_alone(people: People) -> None:
    assert names_in(people.reads("status --mine", owner=ADA)) == ["tiny/a1", "tiny/a2"]
    assert names_in(people.reads("plan --mine", owner=BOB)) == ["tiny/b1"]
    assert "1 job: 1 queued" in people.type("status --mine", owner=BOB)[0]
    assert people.reads("plan --mine", owner=BOB)["all"]["done_by"] is not None


def test_whoever_has_no_job_here_is_told_so(people: People) -> None:
    assert people.type("status --mine", owner="eve")[0] == "No job here belongs to eve.\nnext: qcqueue status\n"
    assert "nothing of eve is left to train" in people.type("plan --mine", owner="eve", code=7)[1]


@pytest.mark.parametrize("command", ["status", "plan"])
def test_where_nobody_has_said_who_i_am_there_is_no_mine(command: str, people: People) -> None:
    _, err = people.type(f"{command} --mine", code=2)
    assert "nobody has said which jobs are yours" in err
    assert f"next: export QCQUEUE_OWNER=YOU@EXAMPLE.ORG, then qcqueue {command} --mine" in err


def test_a_report_of_mine_is_of_my_jobs_and_of_the_sessions_that_worked_on_them(people: People) -> None:
    place = people.house.queue
    for name in ("a1", "b1"):
        held = take(place, f"tiny/{name}", session=f"session-of-{name}")
        train(place, held, 1)
        note_time(place, held, attempt={"train": 90.0}, session={"boot": 10.0})
    study = read_study(place, scope=ReportScope(owner=BOB))
    assert [detail.line.name for detail in study.details] == ["tiny/b1"]
    assert [line.id for line in study.sessions] == ["session-of-b1"]
    assert study.accounts
    assert [*study.accounts.jobs] == ["tiny/b1"]
    assert study.accounts.whole.held_s == 100.0
    people.type("report --mine --out his", owner=BOB)
    page = (people.house.folder / "his" / "report.html").read_text()
    assert "b1" in page
    assert "a1<" not in page
    people.type("report --mine", code=2)


# What is settled.


def test_rules_are_settled_shown_and_told_by_doctor(people: People) -> None:
    assert "by nobody" in people.type("store show")[0]
    assert "max_running" not in people.type("doctor")[0]
    out, _ = people.type("store set policy fair")
    assert out.splitlines() == [
        "settled: policy is fair, was shortest: owners take turns, each with what is begun, then the shortest",
        "next: qcqueue store show",
    ]
    assert "policy is fair already" in people.type("store set policy fair")[0]
    people.type("store set max_running 1")
    shown = {line["name"]: line for line in people.reads("store show")["settings"]}
    assert {name: line["value"] for name, line in shown.items()} == {"policy": "fair", "max_running": "1"}
    assert all(line["by"] and line["at"] for line in shown.values())
    doctor, _ = people.type("doctor")
    assert "policy is fair: owners take turns" in doctor
    assert "max_running is 1: an owner may have 1 running at once" in doctor
    assert people.reads("plan")["rules"] == {"policy": "fair", "max_running": 1}
    assert "Owners take turns (policy fair)." in people.type("plan")[0]


def test_a_rehearsal_settles_nothing(people: People) -> None:
    before = people.house.fingerprint()
    out, _ = people.type("store set policy fair --dry-run")
    assert out.startswith("would be settled: policy is fair")
    assert people.reads("store set policy fair --dry-run")["dry_run"] is True
    assert people.house.fingerprint() == before


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("polcy fair", "a queue has no setting 'polcy'; it has policy and max_running; did you mean policy?", "show"),
        ("policy fiar", 'policy: found "fiar", allowed is one of "shortest", "fair"; did you mean', "set policy fair"),
        (
            "max_running 0",
            'max_running: found "0", allowed is a whole number from 1 to 1,000,000, or none',
            "set max_running none",
        ),
    ],
)
def test_what_cannot_be_settled_is_one_clear_error(line: str, said: str, hint: str, people: People) -> None:
    before = people.house.fingerprint()
    _, err = people.type(f"store set {line}", code=2)
    assert said in err.splitlines()[0]
    assert err.splitlines()[1] == f"next: qcqueue store {hint}"
    assert people.house.fingerprint() == before


def test_a_rule_of_a_later_qcqueue_is_told_by_doctor_and_status_still_answers(people: People) -> None:
    people.house.queue.transact(
        lambda tx: tx.exec_driver_sql("INSERT INTO settings (name, value) VALUES ('policy', 'auction')")
    )
    assert "4 jobs" in people.type("status")[0]
    out, _ = people.type("doctor", code=2)
    assert "policy of this queue cannot be read by this qcqueue" in out
    people.type("plan", code=2)
    people.type("store set policy shortest")
    people.type("plan")


def test_a_plan_says_who_has_enough_running(people: People) -> None:
    people.type("store set max_running 1")
    people.house.queue.store.beat(take(people.house.queue, "tiny/a1").session_id)
    out, _ = people.type("plan")
    assert (
        f"{ADA} has 1 job running, as many as the queue lets an owner have: 1 job waits for one of them to end." in out
    )
    assert "lets an owner have" not in people.type("plan --mine", owner=BOB)[0]


# On Drive.


def test_on_drive_the_account_is_the_owner_whatever_the_environment_says(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        laptop.make_queue()
        a_study(laptop)
        monkeypatch.setenv("QCQUEUE_OWNER", BOB)
        laptop.types("enqueue study.toml")
        (job,) = json.loads(laptop.types("status --mine --json")[0])["jobs"]
        assert job["owner"] == ADA_ON_DRIVE
        laptop.types("status")
        laptop.emulator.log.clear()
        laptop.types("status")
        plain = [one.operation for one in laptop.emulator.log]
        laptop.emulator.log.clear()
        laptop.types("status --mine")
        assert [one.operation for one in laptop.emulator.log] == plain, "who I am is known here, and asked for no more"
        laptop.lose_network()
        assert "vgg16" in laptop.types("status --mine")[0]
