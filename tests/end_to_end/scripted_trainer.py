"""A trainer without TensorFlow in a real process, which ends with a status of its own or trains for ever.

It plays the trainer of the simulated worlds in real time, after it has printed whatever a test wants. Little is
imported here, as many are started.
"""

import json
import os
import sys
from pathlib import Path

from qcqueue.clock import SystemClock, seeded
from tests.support.chance import Faults
from tests.support.trainer import FakeTrainer

PRINTS, ENDS = "SCRIPTED_PRINTS", "SCRIPTED_ENDS"
STEP_S = 0.05


def main() -> int:
    print(os.environ[PRINTS], flush=True)
    if ends := os.environ[ENDS]:
        sys.stdin.readline()
        return int(ends)
    folder, clock, chance = Path(json.loads(sys.stdin.readline())), SystemClock(), seeded("a script")
    trainer = FakeTrainer(
        processor="a script",
        step_s=STEP_S,
        chance=chance,
        faults=Faults(chance, {}, lambda fault: None),
        on_end=lambda job, cause: None,
        on_start=lambda spool: None,
        on_take_up=lambda spool: None,
    )
    trainer.start(folder)
    while (delay_s := trainer.advance()) is not None:
        clock.sleep(delay_s)
    return trainer.exit_code() or 0


if __name__ == "__main__":
    sys.exit(main())
