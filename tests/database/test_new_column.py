"""One more measurement of an epoch is four files between its trainer and the report, and no other names it."""

from pathlib import Path

import pytest

from tests.support.patched import patched, said_by

# How long the steps of an epoch waited for images, say. An epoch of before has none.
COLUMN = {
    "core/records.py": ("    step_count: int\n", "    waited_s: float | None = None\n"),
    "engines/epoch_sums.py": ("            val_s=val_s,\n", "            waited_s=0.125,\n"),
    "database/schema.py": ('    Column("step_count", Integer, nullable=False),\n', '    Column("waited_s", Float),\n'),
    "database/migrations.py": (
        "STEPS: Mapping[int, tuple[str, ...]] = {\n",
        '    7: ("ALTER TABLE epochs ADD COLUMN waited_s FLOAT",),\n',
    ),
}
A_NEW_FORMAT = {"database/schema.py": ("FORMAT = 7\n", "FORMAT = 8\n")}

BEFORE = """
import json
from pathlib import Path
from tests.end_to_end.machines import STUDY, TOY, a_house, command

house = a_house(Path("house"), STUDY + TOY)
assert command(house, "work", "--max-epochs", "1").returncode == 20
print(json.dumps(str(house.folder)))
"""

AFTER = """
import contextlib, io, json, sqlite3, zipfile
from pathlib import Path
from tests.cli.queues import House
from tests.end_to_end.machines import command

house = House(folder=Path("house").absolute())
for line in ("work", "store verify", "report --out report"):
    done = command(house, *line.split())
    assert done.returncode == 0, done.stderr
with contextlib.closing(sqlite3.connect(house.store / "queue.sqlite")) as queue:
    stored = queue.execute("SELECT waited_s FROM epochs ORDER BY epoch").fetchall()
(archive,) = (house.folder / "report").glob("*.zip")
with zipfile.ZipFile(archive) as origins:
    jobs = [json.loads(origins.read(name)) for name in origins.namelist() if name.startswith("jobs/")]
told = [epoch["timing"]["waited_s"] for job in jobs for epoch in job["epochs"]]
print(json.dumps({"stored": [seconds for (seconds,) in stored], "told": told}))
"""


@pytest.mark.long
def test_a_column_of_an_epoch_is_four_files_and_a_queue_of_before_gets_it(tmp_path: Path) -> None:
    said_by(tmp_path, BEFORE)
    said = said_by(patched(tmp_path, COLUMN, A_NEW_FORMAT), AFTER)
    assert said == {"stored": [None, 0.125, 0.125], "told": [None, 0.125, 0.125]}
