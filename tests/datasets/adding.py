"""Adding pictures as a person does: options as they are typed, refusals with the hint that is typed next."""

import re
import shlex
from pathlib import Path

import pytest

from qcqueue.app.data_options import import_options
from qcqueue.datasets.format import Dataset
from qcqueue.datasets.importing import ImportOptions, import_images
from qcqueue.errors import UserError
from tests.datasets.pictures import Files, png


def pictures_at(*paths: str, side: int = 8) -> Files:
    """Return a picture of its own for every path."""
    return {path: png(path, side=side) for path in paths}


def typed(options: str) -> ImportOptions:
    """Return what a person types after `data add PATH`, as values. Words that are no options end it, as in a hint."""
    found: dict[str, list[str]] = {}
    words = shlex.split(options)
    while len(words) > 1 and words[0].startswith("--"):
        flag, value, *words = words
        found.setdefault(flag, []).append(value)
    last = {flag: values[-1] for flag, values in found.items()}
    return import_options(
        size="8x8",
        split=last.get("--split"),
        split_folders=last.get("--split-folders"),
        group_by=last.get("--group-by"),
        include=found.get("--include"),
        depth=last.get("--depth"),
        seed=1,
    )


def added(path: Path, options: str = "") -> Dataset:
    """Import with options as they are typed."""
    return import_images(path, typed(options))


def refused(path: Path, options: str = "") -> tuple[str, str]:
    """Return the sentence and the hint of a refusal, having checked what every refusal owes its reader."""
    with pytest.raises(UserError) as caught:
        added(path, options)
    sentence, hint = str(caught.value), caught.value.hint or ""
    assert sentence.isprintable()
    assert hint.isprintable()
    assert hint
    return sentence, hint


def proposed(hint: str) -> str:
    """Return the options a hint begins with."""
    found = re.match(r"(?:--[a-z-]+ (?:'[^']*'|[^\s;]+) ?)+", f"{hint} ")
    assert found, hint
    return found[0].strip()
