"""A checkpoint of every released format is still read. `states.snapshot` says what the file of format 1 holds.

The files were written by `write_state` of their time and are never written again.
"""

import hashlib
from pathlib import Path

from qcqueue.checkpoints.format import read_about, read_state
from tests.checkpoints.states import assert_same, snapshot

GOLDEN = Path(__file__).parents[1] / "golden"


def test_a_checkpoint_of_format_1_is_read_to_the_bit() -> None:
    assert_same(read_state(GOLDEN / "checkpoint-1.safetensors"), snapshot())


def test_the_golden_checkpoint_was_not_written_again() -> None:
    data = (GOLDEN / "checkpoint-1.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "dd1eca569290c01a4943f573f34f3f4f32564def1390ef4e8c51664fb5aa55f2"
    assert read_about(GOLDEN / "checkpoint-1.safetensors")["format"] == 1
