"""How an attempt ended, and why a job failed, each with the sentence and the remedy a person needs.

finished     the final evaluation is committed.
stopped      the session left on purpose: a limit, Ctrl-C, or a person held or cancelled the job. All is saved.
interrupted  the session or its trainer vanished, or its machine was in trouble. The normal case; spends no retry.
failed       a typed, final cause below. The same attempt again would end the same way.

A cause is of the job and final; a trouble is of a machine or of the store, and no failure of the job.
"""

import errno
from collections.abc import Iterable
from enum import StrEnum
from types import ModuleType
from typing import Any, Self, TypeVar

from qcqueue.disk import BROKEN, NO_ROOM, is_in_words_of_a_disk
from qcqueue.errors import (
    CANNOT_START,
    INTERRUPTED,
    NOTHING_TO_DO,
    RESUMABLE,
    BadData,
    CorruptionError,
    DeterminismRefused,
    DiskFailed,
    DiskFull,
    DriverFailed,
    ExtraMissing,
    LeaseLost,
    ModelRefused,
    NotFinite,
    NotReproducible,
    OutOfMemory,
    QcqueueError,
    QueueMoved,
    Side,
    StoreError,
    StorePutBack,
    TrainingError,
    UserError,
    WeightsUnavailable,
)

_GO_ON = "qcqueue work"


class Outcome(StrEnum):
    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a job failed for good. Each has a remedy; there is no "unknown".

    determinism_refused: its spec wants an exact run and there is none on this device. Either an operation has no
    deterministic implementation, or a rehearsal showed that the same steps end differently.

    errors: the very classes of what training raises for it; remedy: what a person can do;
    may_work_elsewhere: on another machine, or computed in another way.
    """

    BAD_DATA = (
        "bad_data",
        (BadData,),
        "repair the images and add them again with `qcqueue data add`, then `qcqueue retry JOB`",
    )
    NOT_FINITE = (
        "not_finite",
        (NotFinite,),
        "an exact run would end the same way again: enqueue it under another name with a smaller learning_rate, or "
        "look at the samples of that batch",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        (OutOfMemory,),
        "enqueue it under another name with a smaller batch_size, or use a machine with more memory",
        True,
    )
    CODE_ERROR = (
        "code_error",
        (ModelRefused,),
        "the code is at fault: see `qcqueue log JOB --full`; where it is your own, change it, then `qcqueue enqueue "
        "STUDY.toml --replace`, else `qcqueue retry JOB`",
    )
    DETERMINISM_REFUSED = (
        "determinism_refused",
        (DeterminismRefused, NotReproducible),
        'enqueue it under another name with determinism = "relaxed", or device = "cpu"',
        True,
    )
    WEIGHTS_UNAVAILABLE = (
        "weights_unavailable",
        (WeightsUnavailable,),
        "connect the machine that trains to the network once, then `qcqueue retry JOB`; or enqueue it under another "
        'name with weights = "FILE.h5" or weights = "none"',
    )

    errors: tuple[type[QcqueueError], ...]
    remedy: str
    may_work_elsewhere: bool

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.errors, member.remedy, *elsewhere = facts
        member.may_work_elsewhere = bool(elsewhere)
        return member


class Trouble(StrEnum):
    """What of its machine or of the store ended an attempt. The job goes back to the queue.

    disk         it is full, or does not do what was asked.
    memory       the system ended the trainer for want of memory.
    libraries    what training stands on cannot be loaded.
    driver       the GPU, its driver or its libraries.
    unexplained  nobody knows. Where it came twice, as `failure_policy.is_of_the_job` counts, it was the job.
    store        what the job begins with is not there, or not whole.

    errors: the very classes that mean it; label: what is in trouble; advice: what a person can do, as `advice_on` says.
    """

    DISK = (
        "disk",
        (DiskFull, DiskFailed),
        "the disk",
        "make room on the disk of {machine}, or set QCQUEUE_CACHE there to a folder on a larger one; then qcqueue work",
    )
    MEMORY = "memory", (), "the memory", "qcqueue work, on a machine with more memory"
    LIBRARIES = (
        "libraries",
        (ExtraMissing,),
        "the libraries",
        'pip install --force-reinstall "qcqueue[train]", on {machine}; or qcqueue work, on another one',
    )
    DRIVER = (
        "driver",
        (DriverFailed,),
        "the GPU or its driver",
        "nvidia-smi, on {machine}, to see whether its GPU answers; or qcqueue work, on another one",
    )
    UNEXPLAINED = (
        "unexplained",
        (),
        "an unexplained error",
        "qcqueue log {job} --full, for what happened; then qcqueue work, better on another machine",
    )
    STORE = (
        "store",
        (),
        "the store",
        "qcqueue store verify; what is gone comes back with qcqueue data add PATH --name NAME, or qcqueue enqueue FILE",
    )

    errors: tuple[type[QcqueueError], ...]
    label: str
    advice: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.errors, member.label, member.advice = facts
        return member

    def on(self, machine: str) -> str:
        """Return what was in trouble, for a sentence: "the disk on lab-3". machine: what to call its machine."""
        return self.label if self is Trouble.STORE else f"{self.label} on {machine}"


def advice_on(trouble: Trouble, *, job: str, machine: str) -> str:
    """Return what a person can do about a trouble; the job itself needs nothing. machine: what to call its machine."""
    return trouble.advice.format(job=job, machine=machine)


_REMEDY_OF_A_FILE = "qcqueue retry JOB --weights FILE, with a file that fits"


def remedy_for(cause: Cause, *, weights: str) -> str:
    """Return what a person can do about a failed job. weights: what its spec says of them."""
    if cause is Cause.WEIGHTS_UNAVAILABLE and weights == "file":
        return _REMEDY_OF_A_FILE
    return cause.remedy


# What can be no fault of a library that lacks one of its files: whoever asks again there is told the same.
_OF_THE_WHOLE_DISK = NO_ROOM | BROKEN | {errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE}
# Of one file: a library may lack its own, all others are this machine's.
_OF_A_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM})


_Kind = TypeVar("_Kind", Cause, Trouble)


def cause_of(error: BaseException) -> Cause | Trouble:
    """Return what ends a job's attempt when its training raises `error`: a final cause, or a trouble."""
    match error:
        case QcqueueError(side=Side.JOB):
            return _meant_by(error, Cause) or Cause.CODE_ERROR
        case QcqueueError(side=Side.STORE):
            return Trouble.STORE
        case QcqueueError():
            return _meant_by(error, Trouble) or Trouble.UNEXPLAINED
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


def _meant_by(error: QcqueueError, kinds: type[_Kind]) -> _Kind | None:
    return next((kind for kind in kinds if type(error) in kind.errors), None)


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
    """How a session left, in the words that stand in the queue for ever.

    exit_code: that of `work`; next_command: what to type next, where nothing else
    is known; severity: what came of one job is worse than of another where it is higher, 0 for what no job ends with.
    """

    FINISHED = "finished its jobs", 0, "the session finished its jobs; {saved}", "qcqueue"
    NOTHING_TO_DO = "nothing to do", NOTHING_TO_DO, "there is nothing to do for this machine", "qcqueue"
    JOB_FAILED = (
        "a job failed",
        TrainingError.exit_code,
        "a job failed, for a reason that trying again would not change",
        "qcqueue",
        6,
    )
    JOB_HELD = (
        "a job is held for you to decide",
        TrainingError.exit_code,
        "a job is held: what it needs is for you to decide",
        "qcqueue status, then qcqueue why JOB",
        4,
    )
    LIMIT = "reached its limit", RESUMABLE, "the session reached its limit; {saved}"
    ASKED = "asked to stop", INTERRUPTED, "the session was interrupted; {saved}"
    LEASE_LOST = (
        "lost its job",
        LeaseLost.exit_code,
        "the job was taken over elsewhere; this session gave it up",
        "qcqueue status",
        5,
    )
    NEAR_END = (
        "left, because what it would train now would hardly be saved before its likely end",
        RESUMABLE,
        "the session left before its likely end, which the next save would hardly have met; {saved}",
        _GO_ON,
        3,
    )
    SET_ASIDE = (
        "left, because what remains waits for another machine or session",
        RESUMABLE,
        "what remains waits for another machine or session; {saved}",
        _GO_ON,
        2,
    )
    WITHDRAWN = (
        "left, because its job was held or cancelled by a person",
        RESUMABLE,
        "the job was held or cancelled by a person, and no other is to be had; {saved}",
        "qcqueue status",
        1,
    )
    CANNOT_START = (
        "left, because no job can start on this machine",
        CANNOT_START,
        "no job can start on this machine; none has failed for it",
    )
    NOTHING_SAVED = (
        "left, because the store, or the disk, has taken nothing for too long",
        StoreError.exit_code,
        "the store, or this disk, has taken nothing for too long",
    )
    UNSAVED = (
        "was asked to stop while the store took nothing; the next session on this machine saves what it left",
        INTERRUPTED,
        "the session was interrupted while the store took nothing; what is missing lies on this disk",
    )
    NEWER_QUEUE = (
        "left, because a newer qcqueue has raised the queue to a format that this one cannot read",
        StoreError.exit_code,
        "a newer qcqueue has raised the queue to a format that this one cannot read; the session left",
        "pip install --upgrade qcqueue, then qcqueue work",
    )
    PUT_BACK = (
        "left, because an older copy of the queue was put back into the store",
        StorePutBack.exit_code,
        "an older copy of the queue was put back into the store; the session left",
        "qcqueue store adopt",
    )
    MOVED = (
        "left, because the queue was moved to another place",
        QueueMoved.exit_code,
        "the queue was moved to another place; the session left",
        "qcqueue status",
    )

    exit_code: int
    _notebook: str
    next_command: str
    severity: int

    def __new__(cls, said: str, *facts: Any) -> Self:
        member = str.__new__(cls, said)
        member._value_ = said
        member.exit_code, member._notebook, *more = facts
        member.next_command = more[0] if more else _GO_ON
        member.severity = more[1] if more[1:] else 0
        return member

    def notebook(self, *, has_trained: bool) -> str:
        """Return the worker cell's sentence, which claims no work that was not done."""
        return self._notebook.format(saved="everything is saved" if has_trained else "nothing was trained")


# How several sessions ended that are one to whoever asked: as the first of these that any of them ended with. That work
# waits to be gone on with counts for more than that some cannot start here, what was done for more than nothing to do.
WORST_FIRST = (
    CorruptionError.exit_code,
    QcqueueError.exit_code,
    StoreError.exit_code,
    UserError.exit_code,
    TrainingError.exit_code,
    LeaseLost.exit_code,
    INTERRUPTED,
    RESUMABLE,
    CANNOT_START,
    0,
    NOTHING_TO_DO,
)


def worst_exit_code(codes: Iterable[int]) -> int:
    """Return the exit code of several sessions as one. What no session of ours ends with is the worst of all."""
    return min(codes, key=lambda code: WORST_FIRST.index(code) if code in WORST_FIRST else -1)


def worse_of(one: SessionEnd | None, other: SessionEnd | None) -> SessionEnd | None:
    """Return the worse of what has come of two jobs, None for nothing that is bad."""
    return max((it for it in (one, other) if it), key=lambda it: it.severity, default=None)
