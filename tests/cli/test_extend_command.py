"""Keeping the state of a job and training it on: what is said, and what is refused with a way out."""

import json
from collections.abc import Callable

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.cli.main import run
from qcqueue.queue.final_weights import keep_weights_only
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.rules import turns_of_owners
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.app.trained import Run
from tests.cli.queues import DATASET, SIDE_PX, House, a_job, put

STUDY = f"""
study = "tiny"
dataset = "{DATASET}"
[defaults]
epochs = 4
image_size = {SIDE_PX}
weights = "none"
[[job]]
model = "VGG16"
"""


@pytest.fixture
def house(empty_house: House) -> House:
    """A queue with the job tiny/vgg16 of four epochs, which is done and has its whole state."""
    put(empty_house.queue, a_job("vgg16", epochs=4), a_job("waits", epochs=4))
    finished(empty_house.queue, "tiny/vgg16")
    return empty_house


def finished(place: QueueContext, job: str) -> None:
    run = Run.of(place, job)
    for loss in (3.0, 1.0, 2.0, 2.5):
        run.epoch(loss=loss)
    run.finish()


@pytest.mark.parametrize(
    ("owner", "extends", "theirs"), [("ada", "bob", "bob"), ("ada", "", "ada"), ("", "bob", "bob"), ("", "", None)]
)
def test_what_is_trained_on_belongs_to_whoever_extends_or_else_to_the_owner_of_the_old_job(
    owner: str, extends: str, theirs: str | None, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.queue.transact(lambda tx: tx.exec_driver_sql("UPDATE jobs SET owner = ?", (owner or None,)))
    monkeypatch.setenv("QCQUEUE_OWNER", extends)
    assert run(["extend", "vgg16", "--epochs", "9"]) == 0
    with house.queue.read() as tx:
        owners = {line.name: line.owner for line in job_lines(tx)}
        turns = turns_of_owners(tx)
    assert owners["tiny/vgg16-9"] == theirs
    assert set(turns) == {owner or None}, "that it has the epochs of the old one is nobody's turn"


def let_go(place: QueueContext) -> None:
    """Let the job keep its weights alone, as those that are done now do."""
    head = Blob(sha256=digest_of("head"), size_bytes=7, place="p")
    place.transact(lambda tx: keep_weights_only(tx, "tiny/vgg16", head, now_s=place.clock.now_s()))


def another(place: QueueContext) -> None:
    put(place, a_job("vgg16-9", epochs=9, seed=5))


def nothing(place: QueueContext) -> None:
    """Leave it as it is."""


def stopped_early(place: QueueContext) -> None:
    def say_so(tx: object) -> None:
        execute = tx.exec_driver_sql  # type: ignore[attr-defined]
        execute("UPDATE checkpoints SET record = replace(record, '\"stopped_early\":false', '\"stopped_early\":true')")

    place.transact(say_so)


REFUSED: dict[str, tuple[Callable[[QueueContext], None], tuple[str, ...], str, str]] = {
    "not done": (
        nothing,
        ("waits", "9"),
        "tiny/waits is queued; what can be extended is done",
        "qcqueue why tiny/waits",
    ),
    "no more epochs": (
        nothing,
        ("vgg16", "4"),
        "tiny/vgg16 has 4 epochs, and 4 are not more",
        "qcqueue extend tiny/vgg16 --epochs 54",
    ),
    "too many epochs": (
        nothing,
        ("vgg16", "100001"),
        "tiny/vgg16 cannot be extended: epochs",
        "qcqueue show tiny/vgg16",
    ),
    "only weights": (
        let_go,
        ("vgg16", "9"),
        "tiny/vgg16 keeps its weights alone, so it cannot be trained on",
        "--keep-state",
    ),
    "another job of the name": (
        another,
        ("vgg16", "9"),
        "there is a job tiny/vgg16-9 with other settings already",
        "qcqueue extend tiny/vgg16 --epochs 10",
    ),
    "stopped early": (
        stopped_early,
        ("vgg16", "9"),
        "tiny/vgg16 stopped early after epoch 4, as it would with more epochs",
        "qcqueue show tiny/vgg16",
    ),
    "no such job": (nothing, ("vgg99", "9"), "there is no job 'vgg99'", "qcqueue status"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_extended_is_refused_in_one_sentence_and_nothing_changes(
    house: House, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    prepare, (job, epochs), sentence, hint = REFUSED[case]
    prepare(house.queue)
    before = house.fingerprint()
    assert run(["extend", job, "--epochs", epochs]) != 0
    said = capfd.readouterr().err
    assert sentence in said
    assert hint in said.partition("next: ")[2]
    assert "Traceback" not in said
    assert house.fingerprint()[0] == before[0]


def test_a_hint_that_names_a_command_works(house: House) -> None:
    assert run(["extend", "tiny/vgg16", "--epochs", "54"]) == 0
    assert run(["show", "vgg16-54"]) == 0


def test_an_extension_has_the_epochs_of_the_old_job_and_keeps_its_state_too(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["extend", "vgg16", "--epochs", "9"]) == 0
    assert capfd.readouterr().out == (
        "enqueued  tiny/vgg16-9: it goes on from epoch 4 of tiny/vgg16, which stays\nnext: qcqueue work\n"
    )
    assert run(["show", "vgg16-9", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert [epoch["epoch"] for epoch in shown["epochs"]] == [1, 2, 3, 4]
    (attempt,) = shown["segments"]
    assert attempt["reason"] == "its first 4 epochs are those of tiny/vgg16"
    assert [line["what"] for line in shown["history"]] == ["enqueued", "state kept", "extends"]
    with house.queue.read() as tx:
        assert tx.exec_driver_sql("SELECT keep_state FROM jobs WHERE name = 'tiny/vgg16-9'").scalar_one() == 1
    for command in (
        ["status"],
        ["log", "vgg16-9"],
        ["why", "vgg16-9"],
        ["plan"],
        ["quota"],
        ["report", "--out", "out"],
    ):
        assert run(command) == 0, command
    assert run(["store", "verify"]) == 0
    assert run(["extend", "tiny/vgg16", "--epochs", "9"]) == 0
    assert "already there  tiny/vgg16-9" in capfd.readouterr().out


def test_a_state_is_asked_for_at_once_or_later_and_said_to_be_gone_where_it_is(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    house.write("study.toml", STUDY)
    assert run(["enqueue", "study.toml", "--set", "study=other", "--keep-state"]) == 0
    assert "enqueued  other/vgg16, its state kept when it is done\n" in capfd.readouterr().out
    assert run(["enqueue", "study.toml", "--set", "study=other", "--keep-state", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["keeping_state"] == []
    assert run(["enqueue", "study.toml", "--set", "study=third"]) == 0
    assert run(["enqueue", "study.toml", "--set", "study=third", "--keep-state"]) == 0
    assert "already there  third/vgg16, with its state kept when it is done\n" in capfd.readouterr().out
    assert run(["log", "third/vgg16"]) == 0
    assert "its state is to be kept when it is done" in capfd.readouterr().out


def test_asked_for_a_state_that_is_gone_enqueue_says_so(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    house.write("study.toml", STUDY)
    assert run(["enqueue", "study.toml", "--set", "study=other"]) == 0
    finished(house.queue, "other/vgg16")
    assert run(["enqueue", "study.toml", "--set", "study=other", "--keep-state"]) == 0
    assert "too late" not in capfd.readouterr().err, "it still has it"
    house.queue.transact(lambda tx: tx.exec_driver_sql("UPDATE jobs SET keep_state = 0"))
    assert run(["store", "gc", "--yes"]) == 0
    assert "kept of 2 done jobs beside the weights" in capfd.readouterr().out
    assert run(["enqueue", "study.toml", "--set", "study=other", "--keep-state"]) == 0
    assert (
        "other/vgg16 is done and keeps its weights alone; --keep-state comes too late for it" in capfd.readouterr().err
    )
