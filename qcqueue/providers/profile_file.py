"""Profiles as text: the TOML of a provider, and a person's own file that corrects one or adds one.

A person's own file may hold anything. Either all of it is valid, or one `SpecInvalid` holds everything that is wrong
with it, in the order of its lines, each one sentence:

    FILE:LINE: PROFILE.FIGURE.KEY: found X, allowed is Y; did you mean Z?

This only reads text: which profiles there are is `registry`'s knowledge.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.providers.base import Allowance, Confidence, Figure, Profile, Rule
from qcqueue.text.fields import InvalidValue, Reader, one_of, read_name, real_number
from qcqueue.text.humanize import HOUR_S
from qcqueue.text.suggest import clipped, did_you_mean, shown
from qcqueue.text.toml import Page, Problems, read_page, unknown_key

MOST_PROBLEMS = 100
OWN_SOURCE = "your file"
LONGEST_TEXT = 200
YEAR_H = 366 * 24
# Half a minute. Sessions that take no time at all would be planned without end.
LEAST_H = 0.01

Path = tuple[str, ...]


def read_profile(text: str, *, file: str, name: str) -> Profile:
    """Read the file of a provider, in which every figure must say where it comes from. Raises: SpecInvalid."""
    page = read_page(text, file=file, of="a profile")
    problems = _Problems(page)
    _refuse_strays((), page.data, (*WORDS, *RULES, *FIGURES, "detect"), problems)
    _refuse_gaps((), page.data, ("title",), problems)
    if "detect" in page.data:
        _read_table(("detect",), page.data["detect"], DETECT, (), problems)
    rules = {key: problems.read_at((key,), page.data[key], reader) for key, reader in RULES.items() if key in page.data}
    profile = _with(Profile(name=name, title=name, **rules), (), page.data, Basis.PROFILE, problems)
    problems.raise_if_any()
    return profile


def read_rule(text: str) -> Rule | None:
    """Read by what the machines of a provider are known, None where its file does not say.

    For files of ours only, which `read_profile` has refused or not.
    """
    table = read_page(text, file="", of="a profile").data.get("detect", {})
    return Rule(**{key: DETECT[key](value) for key, value in table.items()}) if table else None


def read_corrections(
    text: str, *, file: str, names: Collection[str], shipped: Callable[[str], Profile]
) -> dict[str, Profile]:
    """Read a person's own file: tables [PROFILE.FIGURE] for one of `names`, or for a new one, which needs a title.

    Raises: SpecInvalid: with one sentence for everything that is wrong.
    """
    page = read_page(text, file=file, of="a profile")
    problems = _Problems(page)
    found: dict[str, Profile] = {}
    for name, table in page.data.items():
        if not isinstance(table, dict):
            problems.at((name,), f"found {shown(table)}, allowed are tables such as [colab-free.session]")
        elif name not in names and "title" not in table:
            allowed = f"allowed are {', '.join(names)}, and new ones that have a title{did_you_mean(name, names)}"
            problems.at((name,), f"found a profile that is not known, {allowed}")
        else:
            problems.read_at((name,), name, read_name)
            _refuse_strays((name,), table, (*WORDS, *FIGURES), problems)
            profile = shipped(name) if name in names else Profile(name=name, title=name)
            found[name] = _with(profile, (name,), table, Basis.SAID, problems)
    problems.raise_if_any()
    return found


class _Problems(Problems):
    """What is wrong with a file of profiles: each key is named by its whole path."""

    def __init__(self, page: Page) -> None:
        super().__init__(MOST_PROBLEMS)
        self._page = page

    def at(self, path: Path, sentence: str) -> None:
        self.add(self._page.place(*path), _named(path), sentence)

    def read_at(self, path: Path, value: Any, reader: Reader) -> Any:
        return self.read(reader, value, self._page.place(*path), _named(path))


def _named(path: Path) -> str:
    return ".".join(map(clipped, path))


def _with(profile: Profile, path: Path, table: Mapping[str, Any], basis: Basis, problems: _Problems) -> Profile:
    """Return a profile with what a table says put in place of what it said itself."""
    changes = {key: problems.read_at((*path, key), table[key], reader) for key, reader in WORDS.items() if key in table}
    figures = {figure.name: figure for figure in profile.figures}
    needed = PROVENANCE if basis is Basis.PROFILE else ()
    for name in FIGURES:
        if name not in table:
            continue
        found = _read_table(
            (*path, name), table[name], {**FIGURES[name], **PROVENANCE}, (*FIGURES[name], *needed), problems
        )
        hours = [found.pop(key) for key in FIGURES[name] if key in found]
        if len(hours) == len(FIGURES[name]) and _is_in_order((*path, name), hours, problems):
            changes["ceiling_s" if name == "ceiling" else name] = value_of(name, hours, basis)
            known = {"source": OWN_SOURCE, "checked": None, "confidence": None} | found
            figures[name] = Figure(name=name, said=said_of(name, hours), basis=basis, **known)
    _keep_below_ceiling(profile, path, changes, figures, problems)
    return replace(profile, figures=tuple(figures[name] for name in FIGURES if name in figures), **changes)


def _keep_below_ceiling(
    profile: Profile, path: Path, changes: dict[str, Any], figures: dict[str, Figure], problems: _Problems
) -> None:
    """Refuse a session beyond the ceiling; one that was shipped gives way to a ceiling that somebody lowered."""
    session: Quantiles | None = changes.get("session", profile.session)
    ceiling_s: float | None = changes.get("ceiling_s", profile.ceiling_s)
    if session is None or ceiling_s is None or session.p90_s <= ceiling_s:
        return
    if "session" in changes:
        found = f"found {session.p90_s / HOUR_S:g}, allowed is up to the ceiling, which is {ceiling_s / HOUR_S:g}"
        problems.at((*path, "session", "high_hours"), found)
    lengths_s = [min(length_s, ceiling_s) for length_s in (session.p10_s, session.p50_s, session.p90_s)]
    hours = [length_s / HOUR_S for length_s in lengths_s]
    changes["session"] = value_of("session", hours, session.basis)
    figures["session"] = replace(figures["session"], said=said_of("session", hours))


def _read_table(
    path: Path, table: Any, readers: Mapping[str, Reader], needed: Collection[str], problems: _Problems
) -> dict[str, Any]:
    """Return what was read of a table, without what was refused."""
    if not isinstance(table, dict):
        problems.at(path, f"found {shown(table)}, allowed is a table [{'.'.join(path)}] of {', '.join(readers)}")
        return {}
    _refuse_strays(path, table, readers, problems)
    _refuse_gaps(path, table, needed, problems)
    found = {key: problems.read_at((*path, key), table[key], readers[key]) for key in table if key in readers}
    return {key: value for key, value in found.items() if value is not None}


def _refuse_strays(path: Path, table: Mapping[str, Any], allowed: Collection[str], problems: _Problems) -> None:
    for key in table:
        if key not in allowed:
            problems.at((*path, key), unknown_key(key, allowed))


def _refuse_gaps(path: Path, table: Mapping[str, Any], needed: Collection[str], problems: _Problems) -> None:
    for key in needed:
        if key not in table:
            problems.at((*path, key), f"found nothing, allowed is a line {key} = ...")


def _is_in_order(path: Path, hours: Sequence[float], problems: _Problems) -> bool:
    """Say whether no value of a figure is more than the one after it."""
    named = zip(FIGURES[path[-1]], hours, strict=True)
    wrong = [(low, high) for low, high in pairwise(named) if low[1] > high[1]]
    for (key, found), (above, most) in wrong:
        problems.at((*path, key), f"found {found:g}, allowed is up to {above}, which is {most:g}")
    return not wrong


def read_text(value: Any) -> str:
    """Read a title, a note or a source: one line that a person can read."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise InvalidValue(value, f"is text in quotes, of one line and up to {LONGEST_TEXT} characters")
    return value


def read_day(value: Any) -> date:
    """Read a day; a time of day is not one."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidValue(value, "is a day such as 2026-11-23, without quotes")
    return value


def read_flag(value: Any) -> bool:
    """Read whether something is so."""
    if not isinstance(value, bool):
        raise InvalidValue(value, "is true or false, without quotes")
    return value


def read_variables(value: Any) -> tuple[str, ...]:
    """Read the names of environment variables."""
    names = value if isinstance(value, list) else []
    if not names or not all(isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names):
        raise InvalidValue(value, 'is a list of variables such as ["SLURM_JOB_ID"]')
    return tuple(names)


def read_confidence(value: Any) -> Confidence:
    """Read how much a figure is worth."""
    return Confidence(one_of(tuple(Confidence))(value))


HOURS_OR_NONE = real_number(f"of hours from 0 up to {YEAR_H}", lambda hours: 0 <= hours <= YEAR_H)
HOURS = real_number(f"of hours from {LEAST_H} up to {YEAR_H}", lambda hours: LEAST_H <= hours <= YEAR_H)

# The keys that make the value of a figure, the least first: none may be more than the one after it.
FIGURES: Mapping[str, Mapping[str, Reader]] = {
    "session": {"low_hours": HOURS_OR_NONE, "likely_hours": HOURS, "high_hours": HOURS},
    "ceiling": {"hours": HOURS},
    "window": {"allowed_hours": HOURS, "period_hours": HOURS},
    "cool_off": dict.fromkeys(("low_hours", "likely_hours", "high_hours"), HOURS_OR_NONE),
}
PROVENANCE: Mapping[str, Reader] = {"source": read_text, "checked": read_day, "confidence": read_confidence}
WORDS: Mapping[str, Reader] = {"title": read_text, "note": read_text}
# What a provider demands, which nobody corrects.
RULES: Mapping[str, Reader] = {"own_work_only": read_flag}
DETECT: Mapping[str, Reader] = {
    "environment": read_variables,
    "environment_unset": read_variables,
    "user": read_text,
}


def value_of(figure: str, hours: Sequence[float], basis: Basis) -> Quantiles | Allowance | float:
    """Return the value that the keys of a figure make, in seconds."""
    match figure, [hour * HOUR_S for hour in hours]:
        case "window", [allowed_s, period_s]:
            return Allowance(allowed_s=allowed_s, period_s=period_s, basis=basis)
        case "ceiling", [ceiling_s]:
            return ceiling_s
        case _, [p10_s, p50_s, p90_s]:
            return Quantiles(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, basis=basis)
    raise AssertionError(f"{figure} is not made of {len(hours)} numbers")


def said_of(figure: str, hours: Sequence[float]) -> str:
    """Return the value of a figure as it is written in its file: "1 to 5 h, likely 2 h", "30 h in any 168 h"."""
    match figure, hours:
        case "window", [allowed, period]:
            return f"{allowed:g} h in any {period:g} h"
        case "ceiling", [ceiling]:
            return f"{ceiling:g} h"
        case _, [low, likely, high] if low < high:
            return f"{low:g} to {high:g} h, likely {likely:g} h"
        case _:
            return f"{hours[0]:g} h"
