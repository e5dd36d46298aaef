"""When a session counts as gone. Leases decide only liveness; safety never rests on time.

A session touches its heartbeat every `beat_every_s`. Once the heartbeat is older than `ttl_s` by the store's own
clock, another session may take the job. If the first one was only asleep, its attempt number fences it out.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRules:
    """Seconds between heartbeats, and the age at which a heartbeat is taken as the last one."""

    beat_every_s: float = 15.0
    ttl_s: float = 120.0


def has_ended(age_s: float | None, rules: LeaseRules) -> bool:
    """Return whether a heartbeat of this age, or one never seen (None), ends the lease."""
    return age_s is None or age_s > rules.ttl_s
