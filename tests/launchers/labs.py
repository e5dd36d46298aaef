"""A queue that several machines reach, with a study of the toy in it, and what became of its jobs."""

from pathlib import Path
from typing import Any

from qcqueue.app.context import open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.datasets.format import Split
from tests.cli.queues import House
from tests.end_to_end.machines import command, job
from tests.engines.worlds import a_dataset

STUDY = """
study = "lab"
dataset = "noise"
[defaults]
epochs = {epochs}
batch_size = 8
image_size = [32, 32]
weights = "none"
augment = "flips"
"""
JOB = '[[job]]\nmodel = "Toy"\nname = "{name}"\nseed = {seed}\n'
BITS = ("weights_sha256", "history_sha256", "predictions_sha256")


def a_lab(folder: Path, *, epochs: int, jobs: int) -> House:
    """A queue in a folder that several machines reach, and a study of so many jobs in it."""
    house = House(folder=folder)
    folder.mkdir()
    house.write("qcqueue.toml", f'store = "shared:{folder}/queue"\ncache = "cache"\n')
    assert command(house, "init").returncode == 0
    queue = open_context(
        load_settings(folder=folder, environment={"HOME": str(folder), "QCQUEUE_CACHE": str(house.cache)})
    )
    keep(queue, "noise", a_dataset(counts={Split.TRAIN: 40, Split.VALIDATION: 9, Split.TEST: 9}), dry_run=False)
    names = [JOB.format(name=f"job{seed}", seed=seed) for seed in range(1, jobs + 1)]
    house.write("study.toml", STUDY.format(epochs=epochs) + "".join(names))
    answer = command(house, "enqueue", "study.toml")
    assert answer.returncode == 0, answer.stderr
    return house


def bits_of(house: House, jobs: int) -> list[dict[str, Any]]:
    """Return the digests of all that each done job has made."""
    shown = [job(house, f"lab/job{number}") for number in range(1, jobs + 1)]
    assert {it["state"] for it in shown} == {"done"}
    return [{name: it["result"][name] for name in BITS} for it in shown]
