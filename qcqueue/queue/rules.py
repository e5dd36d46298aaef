"""The rules of a queue where they stand: read with the jobs, so that a choice and a limit hold in one transaction.

What a rule can be is `core.rules`'s. Always true: who settles one writes a line of history, a rule that is settled as
it was writes nothing, and one that this qcqueue cannot read is refused rather than passed over.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from qcqueue.core.rules import RULES, Policy, QueueRules
from qcqueue.core.states import State
from qcqueue.database.schema import attempts, history, jobs, settings
from qcqueue.errors import SettingInvalid, UnknownName
from qcqueue.queue.history import record_event
from qcqueue.text.fields import InvalidValue
from qcqueue.text.suggest import clipped, did_you_mean, nearest

_SETTLED = "settled "


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A rule that was settled: its value before and now, as a person types it. says: what it does now."""

    name: str
    before: str
    now: str
    says: str

    @property
    def is_changed(self) -> bool:
        return self.before != self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A rule as it stands, which is_usual where it is as nobody need have settled it.

    by and at_s: who settled it last, and when, None where nobody has.
    """

    name: str
    value: str
    says: str
    is_usual: bool
    by: str | None = None
    at_s: float | None = None


def read_rules(tx: Connection) -> QueueRules:
    """Return what is settled for the queue. Raises: SettingInvalid: a later qcqueue has settled more."""
    rules, usual = QueueRules(), QueueRules()
    for row in tx.execute(_SETTINGS).all():
        try:
            rules = rules.with_rule(row.name, row.value)
        except InvalidValue as exc:
            raise SettingInvalid(
                f"{row.name} of this queue cannot be read by this qcqueue: {exc}",
                hint=f"pip install --upgrade qcqueue; or qcqueue store set {row.name} {usual.text_of(row.name)}",
            ) from exc
    return rules


def settle(tx: Connection, name: str, value: str, *, who: str, now_s: float) -> Settled:
    """Settle a rule for all who use the queue. Raises: UnknownName, SettingInvalid: it can be no such thing."""
    if name not in RULES:
        raise UnknownName(
            f"a queue has no setting {clipped(name)!r}; it has {' and '.join(RULES)}{did_you_mean(name, RULES)}",
            hint="qcqueue store show",
        )
    usual = QueueRules()
    try:
        rules = usual.with_rule(name, value)
    except InvalidValue as exc:
        meant = nearest(value, Policy) if name == "policy" else None
        raise SettingInvalid(f"{name}: {exc}", hint=f"qcqueue store set {name} {meant or usual.text_of(name)}") from exc
    stored = tx.execute(select(settings.c.value).where(settings.c.name == name)).scalar_one_or_none()
    settled = Settled(
        name=name,
        before=usual.text_of(name) if stored is None else clipped(stored),
        now=rules.text_of(name),
        says=rules.says(name),
    )
    if settled.is_changed:
        tx.execute(delete(settings).where(settings.c.name == name))
        if rules != usual:
            tx.execute(insert(settings).values(name=name, value=settled.now))
        record_event(tx, who=who, what=_SETTLED + name, now_s=now_s, why=f"{settled.now}, was {settled.before}")
    return settled


def rule_lines(tx: Connection) -> tuple[RuleLine, ...]:
    """Return every rule as it stands. Raises: as `read_rules`."""
    rules, newest = read_rules(tx), {row.what: row for row in tx.execute(_TOLD).all()}
    return tuple(
        RuleLine(
            name=name,
            value=rules.text_of(name),
            says=rules.says(name),
            is_usual=rules.text_of(name) == QueueRules().text_of(name),
            by=line.who if (line := newest.get(_SETTLED + name)) else None,
            at_s=line.at_s if line else None,
        )
        for name in RULES
    )


def running_by_owner(tx: Connection) -> dict[str | None, int]:
    """Return how many jobs of each owner are running."""
    return {row.owner: row.number for row in tx.execute(_RUNNING)}


def turns_of_owners(tx: Connection) -> dict[str | None, int]:
    """Return when each owner had a turn last: the higher, the later. A turn is an attempt on a job of theirs.

    Attempts are numbered as their transactions follow upon each other, so no machine's clock is believed. What lasted
    no time was no attempt of a session: it brought a job the epochs of one that it extends.
    """
    return {row.owner: row.last for row in tx.execute(_TURNS)}


_SETTINGS = select(settings.c.name, settings.c.value).where(settings.c.name.in_([*RULES])).order_by(settings.c.name)
_LAST_TOLD = (
    select(func.max(history.c.id))
    .where(history.c.what.in_([_SETTLED + name for name in RULES]))
    .group_by(history.c.what)
)
_TOLD = select(history.c.what, history.c.who, history.c.at_s).where(history.c.id.in_(_LAST_TOLD))
_RUNNING = (
    select(jobs.c.owner, func.count().label("number")).where(jobs.c.state == State.RUNNING).group_by(jobs.c.owner)
)
_TURNS = (
    select(jobs.c.owner, func.max(attempts.c.id).label("last"))
    .join_from(attempts, jobs)
    .where(attempts.c.ended_at_s.is_distinct_from(attempts.c.started_at_s))
    .group_by(jobs.c.owner)
)
