"""Everything outside a session that it works with, wired by `app` and by simulated worlds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.clock import Clock
from qcqueue.core.goodput import Seconds
from qcqueue.database.base import Database
from qcqueue.providers.base import LiveQuota, Profile
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.stores.base import LeaseRules, Store
from qcqueue.worker.machine import Machine
from qcqueue.worker.process import Trainer
from qcqueue.worker.session_locks import SessionLocks


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDeps:
    """Everything outside a session that it works with."""

    database: Database
    store: Store
    trainer: Trainer
    clock: Clock
    locks: SessionLocks
    machine: Machine
    cache: Path
    lease: LeaseRules
    profile: Profile
    check_weights: Callable[[WantedWeights], FoundWeights | None]
    """Has the trainer that gets ready look for ImageNet weights; None while it does, so the same is asked again."""
    memory_kills: Callable[[], int]
    narrate: Callable[[str], None]
    worlds: int = 0
    """In how many possible worlds the study is played out when a job is taken, to foresee when it will be done."""
    machine_age_s: float | None = None
    """How old the machine is, where that is more than what lies before this session in its ledger."""
    owner: str | None = None
    """Whose session this is, None for nobody's."""
    live: LiveQuota | None = None
    """What the provider itself says of the quota, where it does."""
    not_installed: frozenset[str] = frozenset()
    """The engines whose libraries this machine has not."""
    check_code: Callable[[str], str | None] = lambda sha256: "nobody can approve code here"
    """Says why a person's code, an archive of this digest, may not run here; None where it may."""
    before: Seconds = field(default_factory=dict)
    """What this machine's time went into before the session, as far as it belongs to it."""
