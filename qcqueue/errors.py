"""Every error qcqueue raises on purpose, each with the exit code a script sees and the next thing to type.

    QcqueueError                                             exit 1
    ├── UserError                                            exit 2
    │   ├── SpecInvalid
    │   ├── DatasetInvalid
    │   ├── SettingInvalid
    │   ├── UnknownName
    │   ├── NameTaken
    │   ├── IllegalTransition
    │   └── ExtraMissing
    ├── StoreError                                           exit 4
    │   ├── StoreBusy
    │   │   ├── OutcomeUnknown
    │   │   └── StoreAway
    │   ├── StoreFull
    │   ├── StoreDenied
    │   ├── SignInFailed
    │   │   └── ClientRefused
    │   ├── StoreMissing
    │   └── BlobMissing
    ├── MachineError                                         exit 4
    │   ├── DiskFull
    │   ├── DiskFailed
    │   └── DriverFailed
    ├── CorruptionError                                      exit 5
    │   ├── DigestMismatch
    │   ├── CheckpointDamaged
    │   ├── StorePutBack
    │   └── UnknownFormat
    │       └── NewerQueue
    ├── ConflictError                                        exit 6
    │   ├── LeaseLost
    │   │   └── JobWithdrawn
    │   ├── LineageRefused
    │   │   └── PrecisionRefused
    │   ├── OlderSession
    │   └── QueueMoved
    ├── TrainingError                                        exit 3
    │   ├── BadData
    │   ├── NotFinite
    │   ├── OutOfMemory
    │   ├── DeterminismRefused
    │   ├── NotReproducible
    │   ├── WeightsUnavailable
    │   └── ModelRefused
    └── DrillFailed                                          exit 3

The drawing is compared with the classes by a test. A docstring is the default message, so no error is without
a sentence. An interruption is not in this tree: it is an outcome of an attempt, not an error.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

# What a command ends with where nothing failed and not all is done.
NOTHING_TO_DO = 7
CANNOT_START = 8
RESUMABLE = 20
INTERRUPTED = 130


class Side(StrEnum):
    """Whose trouble an error is, and so what becomes of a job that it ends.

    job      its data, its spec, its numbers: trying again anywhere would end the same way, so the job has failed.
    machine  its disk, its memory, its libraries, or what nobody can explain: the job goes back to the queue.
    store    it is waited for, and is no failure of the job.
    """

    JOB = "job"
    MACHINE = "machine"
    STORE = "store"


class QcqueueError(Exception):
    """Something went wrong inside qcqueue."""

    exit_code = 1
    side: ClassVar[Side] = Side.MACHINE
    can_pass: ClassVar[bool] = False
    """Whether waiting may help though nobody does anything; what cannot pass is waited for only so long."""
    usual_hint: ClassVar[str] = "qcqueue doctor"
    """What to type where whoever raised it knew of nothing better."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.hint = hint

    @property
    def next_step(self) -> str:
        """What to type or do next; there is always something."""
        return self.hint or self.usual_hint


class UserError(QcqueueError):
    """The request cannot be carried out as it stands."""

    exit_code = 2
    usual_hint = "qcqueue -h"
    side = Side.JOB


class SpecInvalid(UserError):
    """The study file is not valid."""

    def __init__(self, problems: Iterable[str], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), hint=hint)


class DatasetInvalid(UserError):
    """The images cannot become a dataset."""

    def __init__(self, message: str | None = None, *, hint: str | None = None, problems: Iterable[str] = ()) -> None:
        """problems: one sentence for each file, where several cannot be used; the message says how many."""
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *self.problems))


class SettingInvalid(UserError):
    """A setting has a value qcqueue cannot use."""

    side = Side.MACHINE


class UnknownName(UserError):
    """There is nothing of that name."""


class NameTaken(UserError):
    """Another thing already has that name."""


class IllegalTransition(UserError):
    """The job is in a state that does not allow this."""


class ExtraMissing(UserError):
    """This needs a part of qcqueue that is not installed."""

    side = Side.MACHINE


class StoreError(QcqueueError):
    """The store did not do what was asked."""

    exit_code = 4
    side = Side.STORE
    can_pass = True


class StoreBusy(StoreError):
    """The store is busy; the same request may work in a moment."""


class OutcomeUnknown(StoreBusy):
    """The store was asked for a change and its answer was lost; the same request again will tell."""


class StoreAway(StoreBusy):
    """The store cannot be reached from this machine."""


class StoreFull(StoreError):
    """There is no room left in the store."""

    can_pass = False


class StoreDenied(StoreError):
    """The store refused access."""

    can_pass = False


class SignInFailed(StoreError):
    """The sign-in to Google did not succeed."""

    can_pass = False


class ClientRefused(SignInFailed):
    """Google does not let this OAuth client sign anybody in, or not in this way."""


class StoreMissing(StoreError):
    """There is no store at that place."""

    can_pass = False


class BlobMissing(StoreError):
    """The store does not have these bytes."""

    can_pass = False


class MachineError(QcqueueError):
    """This machine cannot do what was asked."""

    exit_code = 4


class DiskFull(MachineError):
    """There is no room left on the disk of this machine."""


class DiskFailed(MachineError):
    """The disk of this machine did not do what was asked."""


class DriverFailed(MachineError):
    """The GPU of this machine, or its driver, did not do what was asked."""


class CorruptionError(QcqueueError):
    """Stored data is not what it should be."""

    exit_code = 5
    usual_hint = "qcqueue store verify"
    side = Side.STORE


class DigestMismatch(CorruptionError):
    """The bytes do not match their name."""


class CheckpointDamaged(CorruptionError):
    """The checkpoint cannot be read."""


class StorePutBack(CorruptionError):
    """The store shows an older state than this machine has seen of it."""


class UnknownFormat(CorruptionError):
    """This was written by a newer qcqueue."""


class NewerQueue(UnknownFormat):
    """The queue was raised to a format that only a newer qcqueue knows."""

    def __init__(self, message: str | None = None, *, hint: str | None = None, found: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.found = found


class ConflictError(QcqueueError):
    """Someone else changed this first."""

    exit_code = 6
    usual_hint = "qcqueue status"
    side = Side.STORE


class LeaseLost(ConflictError):
    """This attempt no longer holds the job."""


class JobWithdrawn(LeaseLost):
    """A person has held or cancelled the job that this attempt was on."""


class LineageRefused(ConflictError):
    """The run may go on only on a machine like the one before, and its job waits for one."""


class PrecisionRefused(LineageRefused):
    """This device cannot compute in the precision of the job."""


class OlderSession(ConflictError):
    """A session of an older qcqueue works on this queue, and would end with unsaved work."""


class QueueMoved(ConflictError):
    """The queue is kept in another place."""


NOTHING_CAN_BE_SAVED = (NewerQueue, StorePutBack, QueueMoved)
"""What a session leaves a queue for at once: what it has not saved waits on its machine."""


class TrainingError(QcqueueError):
    """A job ended for a reason that trying again would not change."""

    exit_code = 3
    usual_hint = "qcqueue status"
    side = Side.JOB


class BadData(TrainingError):
    """The dataset cannot be trained on."""


class NotFinite(TrainingError):
    """The loss is no longer a number."""


class OutOfMemory(TrainingError):
    """The model and its batch do not fit into memory."""


class DeterminismRefused(TrainingError):
    """An operation has no deterministic implementation on this device."""


class NotReproducible(TrainingError):
    """The same steps from the same state ended differently on this device."""


class WeightsUnavailable(TrainingError):
    """The pretrained weights cannot be had here."""


class ModelRefused(TrainingError):
    """The function that builds the model fails, or what it returns cannot be trained exactly."""


class DrillFailed(QcqueueError):
    """The drill could not be carried out, or the run that was cut ended with other bits."""

    exit_code = 3
