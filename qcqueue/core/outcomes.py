"""How an attempt ended, and why a job failed, each with the sentence and the remedy a person needs.

finished     the final evaluation is committed.
stopped      the session left on purpose: a limit, Ctrl-C, or a person held or cancelled the job. All is saved.
interrupted  the session or its trainer vanished without a word. The normal case; spends no retry.
failed       a typed, final cause below. The same attempt again would end the same way.
"""

from collections.abc import Mapping
from enum import StrEnum

from qcqueue.errors import (
    BadData,
    DeterminismRefused,
    NotFinite,
    NotReproducible,
    OutOfMemory,
    TrainingError,
    WeightsUnavailable,
)


class Outcome(StrEnum):
    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a job failed for good. Each has a remedy; there is no "unknown".

    determinism_refused: its spec wants an exact run and there is none on this device. Either an operation has no
    deterministic implementation, or a rehearsal showed that the same steps end differently.
    """

    BAD_DATA = "bad_data"
    NOT_FINITE = "not_finite"
    OUT_OF_MEMORY = "out_of_memory"
    CODE_ERROR = "code_error"
    DETERMINISM_REFUSED = "determinism_refused"
    WEIGHTS_UNAVAILABLE = "weights_unavailable"


REMEDIES: Mapping[Cause, str] = {
    Cause.BAD_DATA: "repair the images and add them again with `qcqueue data add`, then `qcqueue retry JOB`",
    Cause.NOT_FINITE: (
        "an exact run would end the same way again: enqueue it under another name with a smaller learning_rate, or "
        "look at the samples of that batch"
    ),
    Cause.OUT_OF_MEMORY: "enqueue it under another name with a smaller batch_size, or use a machine with more memory",
    Cause.CODE_ERROR: "this is a fault in the program or its libraries: see `qcqueue log JOB --full`, then `retry JOB`",
    Cause.DETERMINISM_REFUSED: 'enqueue it under another name with determinism = "relaxed", or device = "cpu"',
    Cause.WEIGHTS_UNAVAILABLE: (
        "connect the machine that trains to the network once, then `qcqueue retry JOB`; or enqueue it under another "
        'name with weights = "FILE.h5" or weights = "none"'
    ),
}

# A spec names the bytes of a weights file, so the same job cannot have another one.
_REMEDY_OF_A_FILE = (
    "enqueue it under another name with a weights file that fits; or, if only the store has lost the file, enqueue the "
    "same study again where the file is, then `qcqueue retry JOB`"
)


def remedy_for(cause: Cause, *, weights: str) -> str:
    """Return what a person can do about a failed job. weights: what its spec says of them."""
    if cause is Cause.WEIGHTS_UNAVAILABLE and weights == "file":
        return _REMEDY_OF_A_FILE
    return REMEDIES[cause]


CAUSES: Mapping[type[TrainingError], Cause] = {
    BadData: Cause.BAD_DATA,
    NotFinite: Cause.NOT_FINITE,
    OutOfMemory: Cause.OUT_OF_MEMORY,
    DeterminismRefused: Cause.DETERMINISM_REFUSED,
    NotReproducible: Cause.DETERMINISM_REFUSED,
    WeightsUnavailable: Cause.WEIGHTS_UNAVAILABLE,
}


def cause_of(error: Exception) -> Cause:
    """Return the cause a job fails for when its training raises `error`."""
    return CAUSES.get(type(error), Cause.CODE_ERROR) if isinstance(error, TrainingError) else Cause.CODE_ERROR
