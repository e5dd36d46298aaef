"""The doctor as a person and a script see it: one line a thing, what to do below it, and an exit code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.clock import Clock, SystemClock
from qcqueue.stores.checks import Check, fine
from tests.cli.on_drive import ADA, DAY_S, Laptop, a_laptop


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    with a_laptop(tmp_path, monkeypatch, capfd) as laptop:
        laptop.sign_in()
        yield laptop


def test_a_sound_queue_is_a_column_of_ok(ada: Laptop) -> None:
    ada.make_queue()
    out, err = ada.types("doctor")
    assert err == ""
    assert re.findall(r"^(\w+)  ", out, re.MULTILINE) == ["ok"] * 9
    assert f"ok       account       {ADA}\n" in out
    assert "next:" not in out


def test_each_thing_is_said_before_the_next_is_looked_at(ada: Laptop) -> None:
    heard = []

    def examine(store: str | None, *, clock: Clock) -> Iterator[Check]:
        for number in range(3):
            yield fine("settings", f"finding {number}")
            heard.append(ada.said.readouterr().out)

    ada.patch.setattr("qcqueue.app.doctor.examine", examine)
    ada.types("doctor")
    assert heard == [f"ok       settings      finding {number}\n" for number in range(3)]
    heard.clear()
    assert len(json.loads(ada.types("doctor --json")[0])["findings"]) == 3
    assert heard == ["", "", ""]


def test_below_what_is_wrong_stands_what_to_do(ada: Laptop) -> None:
    folder = ada.make_queue()
    ada.emulator.owner(ada.ada).trash(folder)
    out, err = ada.types("doctor", code=4)
    assert err == ""
    *_, wrong, hint = out.splitlines()
    assert wrong == "problem  Google Drive  the folder of the queue, 'qcqueue', is in Drive's bin"
    assert hint.startswith("next: restore it at https://drive.google.com/drive/trash")


def test_a_warning_is_no_failure(ada: Laptop) -> None:
    ada.app.testing = True
    ada.make_queue()
    assert "warning  sign-in" in ada.types("doctor")[0]


def test_no_network_is_a_sentence_and_not_a_wait(ada: Laptop) -> None:
    ada.make_queue()
    ada.lose_network()
    out, _ = ada.types("doctor", code=4)
    assert out.splitlines()[-2:] == [
        "problem  Google Drive  Google does not answer",
        "next: check this machine's connection; until then, qcqueue status shows what it last saw",
    ]


def test_a_script_reads_the_same_as_one_document(ada: Laptop) -> None:
    ada.make_queue()
    document = json.loads(ada.types("doctor --json")[0])
    assert document["schema_version"] == 1
    assert {finding["verdict"] for finding in document["findings"]} == {"ok"}
    ada.emulator.revoke(ada.app, ada.ada)
    *_, last = json.loads(ada.types("doctor --json", code=4)[0])["findings"]
    assert last == {
        "what": "sign-in",
        "verdict": "problem",
        "says": "Google does not accept this sign-in any more",
        "hint": "sign in again: qcqueue login",
    }


def test_before_there_is_a_queue_the_doctor_says_how_to_make_one(ada: Laptop) -> None:
    assert ada.types("doctor", code=2)[0].splitlines()[-1] == "next: qcqueue init"


def test_status_tells_of_a_sign_in_that_ends_soon(ada: Laptop) -> None:
    ada.app.testing = True
    ada.make_queue()
    token = json.loads((ada.settings.config / "drive-token.json").read_text())
    token["expires_at_s"] = SystemClock().now_s() + 2.5 * DAY_S
    (ada.settings.config / "drive-token.json").write_text(json.dumps(token))
    out, err = ada.types("status")
    assert out.startswith("The queue is empty.")
    assert err == (
        "the sign-in to Google Drive ends soon: Google ends it in 2 days, as it does while an app is in "
        "Testing; qcqueue doctor says what to do\n"
    )
