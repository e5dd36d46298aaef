"""The rehearsal of a resume, on the real device: two steps, the state put back, the same two steps once more.

Where both times end alike, every operation of a step has run on this device, none was seen to be nondeterministic,
and a state holds all that a step depends on. What this device cannot do is found in seconds and not after hours; rare
nondeterminism may still go unseen. It runs the graph that training runs and leaves the state as it was, so a run that
was rehearsed has the bits of one that was not.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from qcqueue.engines.base import Program
from qcqueue.engines.batches import Batch
from qcqueue.text.humanize import count


def rehearse(program: Program, batches: Sequence[Batch]) -> str:
    """Make a step on each batch, twice from the same state; return in a few words what differed, "" for nothing.

    Give it a batch of every size there is: kernels are chosen by shape. It needs the memory of one more state, and of
    one more while a step replaces what the first still holds.
    """
    start = program.tensors()
    once = _ends(program, batches)
    program.restore(start)
    again = _ends(program, batches)
    program.restore(start)
    differing = [name for name in once if once[name] != again[name]]
    if not differing:
        return ""
    return f"{len(differing)} of {count(len(once), 'value')} differed, the first was {differing[0]}"


def _ends(program: Program, batches: Sequence[Batch]) -> dict[str, object]:
    """Make the steps; return what came of them: each step's figures, then the digest of every variable."""
    steps = [step for batch in batches for step in program.train([batch])]
    figures = {
        f"the loss of step {number}": (np.float64(step.loss).tobytes(), int(step.correct))
        for number, step in enumerate(steps, start=1)
    }
    paths = program.paths()
    # Digests, because a second and a third copy of a large state might not fit beside the first.
    tensors = program.tensors()
    return figures | {f"{paths[key]} ({key})": _digest(tensors[key].tobytes()) for key in tensors}


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
