"""What a report is made of: everything the queue has stored on some jobs, and nothing computed yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.datasets.format import Dataset
from qcqueue.queue.sessions import Accounts, SessionLine
from qcqueue.queue.values import DatasetLine, JobDetail

Probabilities = npt.NDArray[np.float32]
"""[image, class]: what a model answered on one split, in dataset order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a drill has shown: the digests of an undisturbed run and of one that was killed, by name.

    is_equal is the verdict of the drill, which also counts the interruptions; ran_on says on what machine, kills
    says each kill in words; facts are sentences on how it was made. warning: why it may say little of this report.
    """

    job: str
    is_equal: bool
    ran_on: str
    kills: tuple[str, ...]
    undisturbed: Mapping[str, str]
    cut: Mapping[str, str]
    kills_by_moment: Mapping[str, int] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """Everything that was stored. accounts: None where nothing is known of held time; certificates are the documents
    of the drills that proofs say in words. as_of_s is when the newest of it was stored, 0 where nothing was.

    answers are the predictions of finished jobs by full name, then by "best/validation", "best/test",
    "last/validation", "last/test"; images are the datasets they were made on, by digest. What could not be read from
    the store is in neither, and unread says so in sentences. by: what of the validation images chooses a model.
    version: of the qcqueue that reads it, None where nobody says.
    """

    details: tuple[JobDetail, ...]
    as_of_s: float
    title: str | None = None
    datasets: tuple[DatasetLine, ...] = ()
    sessions: tuple[SessionLine, ...] = ()
    accounts: Accounts | None = None
    proofs: tuple[Proof, ...] = ()
    certificates: tuple[Mapping[str, Any], ...] = ()
    answers: Mapping[str, Mapping[str, Probabilities]] = field(default_factory=dict)
    images: Mapping[str, Dataset] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    by: str = "accuracy"
    version: str | None = None
