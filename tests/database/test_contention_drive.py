"""Eight real processes, each a machine with a sign-in of its own, commit to one queue on an emulated Drive at once.

Answers are lost, the service is busy, listings and young ids are late. QCQUEUE_COMMITS=200 makes it the long run.
"""

import functools
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from qcqueue.stores.base import Slots
from tests.support.contention import ONLOOKER, contend
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.faults import DriveFault
from tests.support.drive.places import files_on

pytestmark = pytest.mark.racing

COMMITS = int(os.environ.get("QCQUEUE_COMMITS", "5"))
MACHINES = 8
UNKIND = (
    DriveFault.DROP_BEFORE,
    DriveFault.DROP_AFTER,
    DriveFault.CUT_ANSWER,
    DriveFault.SERVER_ERROR,
    DriveFault.SERVER_ERROR_AFTER,
    DriveFault.RATE_LIMITED_AFTER,
    DriveFault.LATE_ID,
    DriveFault.LATE_LISTING,
)


@pytest.mark.parametrize("rate", [pytest.param(0.0, marks=pytest.mark.long), 0.03])
def test_eight_machines_at_once_lose_no_commit_on_drive_and_double_none(tmp_path: Path, rate: float) -> None:
    from qcqueue.stores.drive.layout import furnish, make_home

    with DriveEmulator(SystemClock()) as emulator:
        ada, app = emulator.user("ada@example.com"), App(name="qcqueue")
        grants = [emulator.sign_in(f"machine-{number}", ada, app) for number in range(MACHINES + 1)]
        signed_in = [json.dumps(grant.stored(emulator.url)) for grant in grants]
        files = files_on(emulator.url, signed_in[ONLOOKER], clock=SystemClock())
        home = make_home(files, ada.email)
        furnish(files, home)
        emulator.faults.rates = dict.fromkeys(UNKIND, rate)
        emulator.listing_lag_s = {f"machine-{number}": 5.0 for number in range(1, MACHINES + 1)}
        open_slots = functools.partial(slots_on_drive, emulator.url, home.folder, signed_in, tmp_path)

        def calm() -> None:
            emulator.faults.flowing = False

        contend(open_slots, tmp_path, processes=MACHINES, commits=COMMITS, calm=calm)
        inserted = Counter(change.file_id for change in emulator.owner(ada).changes() if change.before is None)
        assert set(inserted.values()) == {1}, "a slot had two winners"
        assert (sum(emulator.faults.hits.values()) > 20) == (rate > 0)


def slots_on_drive(url: str, folder: str, signed_in: list[str], root: Path, machine: int) -> Slots:
    """Open the slots of one machine, in its own process."""
    from qcqueue.stores.drive.layout import RememberedHome
    from qcqueue.stores.drive.slots import DriveSlots

    files = files_on(url, signed_in[machine], clock=SystemClock())
    return DriveSlots(files, RememberedHome(files, folder, root / f"home-{machine}.json"), folder=folder)
