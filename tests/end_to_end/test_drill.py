"""The promise itself, at small size: ten SIGKILLs, and the same bits."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.machines import STUDY, VGG16, a_house, command

pytestmark = pytest.mark.tensorflow

KILLS = 10
SEED = 1
DRILL_LIMIT_S = 600


def test_a_run_cut_by_ten_kills_ends_with_the_bits_of_one_that_was_never_cut(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", STUDY.replace('"head"', '"all"') + VGG16)
    before = house.fingerprint()
    done = command(
        house,
        *("drill", "study.toml", "--kills", str(KILLS), "--seed", str(SEED), "--json"),
        limit_s=DRILL_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    (certificate,) = json.loads(done.stdout)["certificates"]
    assert certificate["equal"]
    assert certificate["undisturbed"] == certificate["cut"]
    assert len(certificate["kills"]) == KILLS
    assert certificate["interruptions"] == certificate["kills_in_attempts"] <= KILLS
    assert {"weights_sha256", "history_sha256", "predictions_sha256"} <= set(certificate["cut"])
    assert house.fingerprint() == before, "a drill trains in queues of its own"
