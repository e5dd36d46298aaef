"""The promise itself, at small size: four SIGKILLs, also within epochs, and the same bits; once on Google Drive."""

import json
import os
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from qcqueue.drill.certificate import read_certificates
from qcqueue.drill.kill_points import OF_SESSION
from qcqueue.engines.toy import VARIABLE
from tests.end_to_end.machines import STUDY, TOY, VGG16, a_house, command
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.study import Machine

KILLS = 4
KILLS_ON_DRIVE = 2
SEED = 1
DRILL_LIMIT_S = 600


@pytest.mark.long
@pytest.mark.tensorflow
def test_a_run_cut_by_four_kills_ends_with_the_bits_of_one_that_was_never_cut(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", STUDY.replace('"head"', '"all"') + VGG16)
    before = house.fingerprint()
    done = command(
        house,
        *("drill", "study.toml", "--kills", str(KILLS), "--seed", str(SEED), "--json", "--out", "../drill.json"),
        *("--set", "optimizer=sgd"),  # an optimizer without a state saves faster
        limit_s=DRILL_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    (certificate,) = json.loads(done.stdout)["certificates"]
    assert certificate["equal"]
    assert certificate["undisturbed"] == certificate["cut"]
    assert len(certificate["kills"]) == KILLS
    assert certificate["interruptions"] == certificate["kills_in_attempts"] <= KILLS
    assert {"weights_sha256", "history_sha256", "predictions_sha256"} <= set(certificate["cut"])
    assert len(certificate["kills_by_moment"]) >= KILLS / 2, "kills fall in many moments"
    assert set(certificate["kills_by_moment"]) & set(OF_SESSION.values()), (
        "and while a state is on its way to the store"
    )
    assert house.fingerprint() == before, "a drill trains in queues of its own"

    (read,) = read_certificates(tmp_path / "drill.json")
    assert json.loads(json.dumps(read.to_json())) == certificate
    report = command(house, "report", "--certificate", "../drill.json", "--out", "../report")
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    assert "EQUAL" in page
    assert "another job than those of this report" in page, "it was drilled with another optimizer"


def test_a_queue_on_google_drive_loses_no_bit_either_and_is_gone_afterwards(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", STUDY + TOY)
    with DriveEmulator(SystemClock()) as emulator:
        ada = emulator.user("ada@example.com")
        grant = emulator.sign_in("laptop", ada, App(name="qcqueue"))
        signed_in = {
            "QCQUEUE_CACHE": str(house.cache),
            "QCQUEUE_TOKEN": json.dumps(grant.stored(emulator.url)),
            "QCQUEUE_DRIVE_ENDPOINT": emulator.url,
            VARIABLE: "step_s=0.1",
        }
        laptop = Machine(name="laptop", folder=house.folder, environment={**os.environ, **signed_in})
        drill = ("drill", "study.toml", "--kills", str(KILLS_ON_DRIVE), "--seed", str(SEED), "--json")
        done = laptop.types(*drill, "--store", "gdrive:new")
        assert done.returncode == 0, done.stderr
        (certificate,) = json.loads(done.stdout)["certificates"]
        assert (certificate["equal"], certificate["store"]) == (True, "gdrive")
        assert emulator.count("files.delete") > 0
        assert not list(emulator.owner(ada).files()), "the folder it made is deleted"
