"""The groups of held time as a report tells them, and whose held time is known."""

from collections.abc import Iterator
from dataclasses import dataclass

from qcqueue.core.goodput import Goodput, Part, PartGroup
from qcqueue.reports.quantities.findings import Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeGroup:
    """Parts that share a colour in the figure and a head in the table; kind is what has the colour."""

    kind: PartGroup | Part
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        return self.kind.label

    def seconds(self, goodput: Goodput) -> float:
        return sum(goodput.seconds[part] for part in self.parts)


def _groups() -> Iterator[TimeGroup]:
    """Yield the groups as they are shown; what is lost is told apart."""
    shown = PartGroup.USEFUL, PartGroup.VALIDATE, PartGroup.RESTART, PartGroup.STALL, PartGroup.WAITING
    for group in shown:
        yield TimeGroup(kind=group, parts=group.parts)
    for part in PartGroup.LOST.parts:
        yield TimeGroup(kind=part, parts=(part,))


GROUPS = tuple(_groups())


def held_time_of(findings: Findings) -> list[tuple[str, Goodput]]:
    """Return what held time went into, of the studies and then of the jobs in the report, if any is known."""
    accounts = findings.study.accounts
    if accounts is None:
        return []
    studies = dict.fromkeys(model.spec.study for model in findings.models)
    rows = [(f"{study}, all of it", accounts.studies[study]) for study in studies if study in accounts.studies]
    rows += [(model.name, accounts.jobs[model.name]) for model in findings.models if model.name in accounts.jobs]
    return [(name, goodput) for name, goodput in rows if goodput.held_s]
