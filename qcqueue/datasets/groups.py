"""Which images must stay in one part: those of one subfolder, or whose paths a pattern finds the same text in.

Owns `--group-by` for folders and zips and for patterns over the paths of a CSV; `labels_csv` owns its columns,
`grouping` the sharing out. A person's pattern is matched by another process with a time limit, because there are
patterns that would take for ever over a single name.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace

from qcqueue.datasets.layout import Member
from qcqueue.datasets.limits import PATTERN_LENGTH_MAX, shown
from qcqueue.datasets.outline import composed, listed
from qcqueue.errors import DatasetInvalid
from qcqueue.stores.registry import without_secrets

FOLDER = "folder"
MATCHING_S_MAX = 20

MATCHER = """
import json, re, sys, warnings
warnings.simplefilter("ignore")
pattern, names = json.load(sys.stdin)
search = re.compile(pattern).search
json.dump([match and match[1] for match in map(search, names)], sys.stdout)
"""
TRIED = (r"^([^_]+)_", r"^([^-]+)-", r"^([^/]+)/", r"^(\D+\d+)\D", r"(\d+)")
"""Patterns that often tell patients apart; one is proposed where it finds something in every name."""


def with_groups(members: Sequence[Member], group_by: str, *, where: str) -> tuple[Member, ...]:
    """Return members with their groups. group_by: "folder" or a regular expression with one group in brackets.

    Raises: DatasetInvalid: it is neither, or it finds nothing in the path of some file.
    """
    if group_by == FOLDER:
        found = [member.name.partition("/")[0] if "/" in member.name else None for member in members]
        why = "lies in no subfolder of its class, which --group-by folder needs"
    else:
        found = _matched([member.name for member in members], composed(group_by))
        why = f"holds nothing that --group-by {_quoted(group_by)} finds"
    for member, group in zip(members, found, strict=True):
        if not group:
            raise DatasetInvalid(f"{shown(member.path)} in {where} {why}", hint=_hint(members, group_by))
    return tuple(replace(member, group=group) for member, group in zip(members, found, strict=True))


def check_pattern(group_by: str) -> None:
    """Refuse what is no regular expression with exactly one group. Raises: DatasetInvalid."""
    said = f"--group-by {_quoted(group_by)}"
    one_group = "a pattern has one pair of brackets, (?:...) aside, around what tells the groups apart"
    if len(group_by) > PATTERN_LENGTH_MAX:
        raise DatasetInvalid(f"{said} is longer than {PATTERN_LENGTH_MAX} letters", hint=one_group)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            count = re.compile(composed(group_by)).groups
    except (re.error, RecursionError, OverflowError) as exc:
        raise DatasetInvalid(f"{said} is not a regular expression: {exc}", hint=one_group) from exc
    if count != 1:
        has = "no group in brackets" if count == 0 else f"{count} groups in brackets"
        hint = one_group if count else f"--group-by {_quoted(f'({group_by})')}"
        raise DatasetInvalid(f"{said} has {has}; one is needed", hint=hint)


def _matched(names: Sequence[str], pattern: str) -> list[str | None]:
    check_pattern(pattern)
    try:
        done = subprocess.run(
            [sys.executable or "python3", "-I", "-S", "-c", MATCHER],
            env=without_secrets(os.environ),
            input=json.dumps([pattern, list(names)]).encode(),
            capture_output=True,
            timeout=MATCHING_S_MAX,
            check=True,
        )
    except subprocess.TimeoutExpired as exc:
        raise DatasetInvalid(
            f"--group-by {_quoted(pattern)} takes more than {MATCHING_S_MAX} s over {len(names)} names",
            hint="write it without one repetition inside another",
        ) from exc
    except (subprocess.CalledProcessError, OSError) as exc:
        raise DatasetInvalid(
            f"--group-by {_quoted(pattern)} cannot be matched with {len(names)} names", hint="write a simpler one"
        ) from exc
    matched: list[str | None] = json.loads(done.stdout)
    return matched


def _quoted(pattern: str) -> str:
    return shlex.quote(shown(pattern))


def _hint(members: Sequence[Member], group_by: str) -> str:
    """Return a way to group that finds something in every name."""
    if group_by == FOLDER and any("/" in member.name for member in members):
        return "put it into a subfolder, of its own if it belongs to no other"
    if all("/" in member.name for member in members):
        return "--group-by folder"
    for pattern in TRIED:
        if all(re.search(pattern, member.name) for member in members):
            return f"--group-by '{pattern}'"
    example = listed([members[0].name])
    return f"a pattern must find something in every path below the class folder, such as {example}"
