"""How an attempt ended, and why a job failed, each with the sentence and the remedy a person needs.

finished     the final evaluation is committed.
stopped      the session left on purpose: a limit, Ctrl-C, or a person held or cancelled the job. All is saved.
interrupted  the session or its trainer vanished, or its machine was in trouble. The normal case; spends no retry.
failed       a typed, final cause below. The same attempt again would end the same way.

A cause is of the job and final; a trouble is of a machine or of the store, and no failure of the job.
"""

import errno
from collections.abc import Mapping
from enum import StrEnum
from types import ModuleType

from qcqueue.disk import BROKEN, NO_ROOM, is_in_words_of_a_disk
from qcqueue.errors import (
    BadData,
    DeterminismRefused,
    DiskFailed,
    DiskFull,
    DriverFailed,
    ExtraMissing,
    NotFinite,
    NotReproducible,
    OutOfMemory,
    QcqueueError,
    Side,
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


class Trouble(StrEnum):
    """What of its machine or of the store ended an attempt. The job goes back to the queue.

    disk         it is full, or does not do what was asked.
    memory       the system ended the trainer for want of memory.
    libraries    what training stands on cannot be loaded.
    driver       the GPU, its driver or its libraries.
    unexplained  nobody knows. Where it came twice, as `remedies.is_of_the_job` counts, it was the job.
    store        what the job begins with is not there, or not whole.
    """

    DISK = "disk"
    MEMORY = "memory"
    LIBRARIES = "libraries"
    DRIVER = "driver"
    UNEXPLAINED = "unexplained"
    STORE = "store"

    def on(self, machine: str) -> str:
        """Return what was in trouble, for a sentence: "the disk on lab-3". machine: what to call its machine."""
        return _OF_WHAT[self] if self is Trouble.STORE else f"{_OF_WHAT[self]} on {machine}"


_OF_WHAT: Mapping[Trouble, str] = {
    Trouble.DISK: "the disk",
    Trouble.MEMORY: "the memory",
    Trouble.LIBRARIES: "the libraries",
    Trouble.DRIVER: "the GPU or its driver",
    Trouble.UNEXPLAINED: "an unexplained error",
    Trouble.STORE: "the store",
}

_ADVICE: Mapping[Trouble, str] = {
    Trouble.DISK: "make room on the disk of {machine}, or set QCQUEUE_CACHE there to a folder on a larger one; then "
    "qcqueue work",
    Trouble.MEMORY: "qcqueue work, on a machine with more memory",
    Trouble.LIBRARIES: 'pip install --force-reinstall "qcqueue[train]", on {machine}; or qcqueue work, on another one',
    Trouble.DRIVER: "nvidia-smi, on {machine}, to see whether its GPU answers; or qcqueue work, on another one",
    Trouble.UNEXPLAINED: "qcqueue log {job} --full, for what happened; then qcqueue work, better on another machine",
    Trouble.STORE: (
        "qcqueue store verify; then add what is gone again: images by qcqueue data add, a weights file by qcqueue "
        "enqueue of the same study"
    ),
}


def advice_on(trouble: Trouble, *, job: str, machine: str) -> str:
    """Return what a person can do about a trouble; the job itself needs nothing. machine: what to call its machine."""
    return _ADVICE[trouble].format(job=job, machine=machine)


REMEDIES: Mapping[Cause, str] = {
    Cause.BAD_DATA: "repair the images and add them again with `qcqueue data add`, then `qcqueue retry JOB`",
    Cause.NOT_FINITE: (
        "an exact run would end the same way again: enqueue it under another name with a smaller learning_rate, or "
        "look at the samples of that batch"
    ),
    Cause.OUT_OF_MEMORY: "enqueue it under another name with a smaller batch_size, or use a machine with more memory",
    Cause.CODE_ERROR: (
        "this is a fault in the program or its libraries: see `qcqueue log JOB --full`, then `qcqueue retry JOB`"
    ),
    Cause.DETERMINISM_REFUSED: 'enqueue it under another name with determinism = "relaxed", or device = "cpu"',
    Cause.WEIGHTS_UNAVAILABLE: (
        "connect the machine that trains to the network once, then `qcqueue retry JOB`; or enqueue it under another "
        'name with weights = "FILE.h5" or weights = "none"'
    ),
}

# A spec names the bytes of a weights file, so the same job cannot have another one.
_REMEDY_OF_A_FILE = "enqueue it under another name with a weights file that fits"


def remedy_for(cause: Cause, *, weights: str) -> str:
    """Return what a person can do about a failed job. weights: what its spec says of them."""
    if cause is Cause.WEIGHTS_UNAVAILABLE and weights == "file":
        return _REMEDY_OF_A_FILE
    return REMEDIES[cause]


CAUSES: Mapping[type[QcqueueError], Cause] = {
    BadData: Cause.BAD_DATA,
    NotFinite: Cause.NOT_FINITE,
    OutOfMemory: Cause.OUT_OF_MEMORY,
    DeterminismRefused: Cause.DETERMINISM_REFUSED,
    NotReproducible: Cause.DETERMINISM_REFUSED,
    WeightsUnavailable: Cause.WEIGHTS_UNAVAILABLE,
}


TROUBLES: Mapping[type[QcqueueError], Trouble] = {
    DiskFull: Trouble.DISK,
    DiskFailed: Trouble.DISK,
    DriverFailed: Trouble.DRIVER,
    ExtraMissing: Trouble.LIBRARIES,
}

# What can be no fault of a library that lacks one of its files: whoever asks again there is told the same.
_OF_THE_WHOLE_DISK = NO_ROOM | BROKEN | {errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE}
# Of one file: a library may lack its own, all others are this machine's.
_OF_A_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM})


def cause_of(error: BaseException) -> Cause | Trouble:
    """Return what ends a job's attempt when its training raises `error`: a final cause, or a trouble."""
    match error:
        case QcqueueError(side=Side.JOB):
            return CAUSES.get(type(error), Cause.CODE_ERROR)
        case QcqueueError(side=Side.STORE):
            return Trouble.STORE
        case QcqueueError():
            return TROUBLES.get(type(error), Trouble.UNEXPLAINED)
        case MemoryError():
            return Trouble.MEMORY
        case OSError(errno=errno.ENOMEM):
            return Trouble.MEMORY
        case OSError() if error.errno in _OF_THE_WHOLE_DISK:
            return Trouble.DISK
    if _is_of_a_library(error):
        return Trouble.LIBRARIES
    if isinstance(error, OSError) and error.errno in _OF_A_FILE:
        return Trouble.DISK
    return Trouble.DISK if is_in_words_of_a_disk(str(error)) else Trouble.UNEXPLAINED


def _is_of_a_library(error: BaseException) -> bool:
    """Return whether a library cannot be loaded, or is not the one it should be: a broken one raises all kinds."""
    if isinstance(error, ImportError | SyntaxError):
        return True
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return True
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_name == "<module>":  # nothing runs there but an import
            return True
        frame = frame.tb_next
    return False


class SessionEnd(StrEnum):
    """How a session left."""

    FINISHED = "finished its jobs"
    NOTHING_TO_DO = "nothing to do"
    JOB_FAILED = "a job failed"
    JOB_HELD = "a job is held for you to decide"
    LIMIT = "reached its limit"
    ASKED = "asked to stop"
    LEASE_LOST = "lost its job"
    NEAR_END = "left, because what it would train now would hardly be saved before its likely end"
    SET_ASIDE = "left, because what remains waits for another machine or session"
    WITHDRAWN = "left, because its job was held or cancelled by a person"
    CANNOT_START = "left, because no job can start on this machine"
    NOTHING_SAVED = "left, because the store, or the disk, has taken nothing for too long"
    UNSAVED = "was asked to stop while the store took nothing; the next session on this machine saves what it left"
    NEWER_QUEUE = "left, because a newer qcqueue has raised the queue to a format that this one cannot read"
    PUT_BACK = "left, because an older copy of the queue was put back into the store"


WORST_FIRST = (
    SessionEnd.JOB_FAILED,
    SessionEnd.LEASE_LOST,
    SessionEnd.JOB_HELD,
    SessionEnd.NEAR_END,
    SessionEnd.SET_ASIDE,
    SessionEnd.WITHDRAWN,
)


def worse_of(one: SessionEnd | None, other: SessionEnd | None) -> SessionEnd | None:
    """Return the worse of what has come of two jobs, None for nothing that is bad."""
    return min((it for it in (one, other) if it), key=WORST_FIRST.index, default=None)
