"""Study files: from the text of one TOML file and the `--set` of a command to job specs, or to all that is wrong.

The caller reads files; this only reads text, or the same as values of a program. On which line a key stands is
`text.toml`'s knowledge, what it may be is said by its field in `spec`, and where it may stand is decided here. Either a
`Study` comes back in which every spec is valid, or one `SpecInvalid` that holds every problem of the file, in the order
of its lines, each one sentence:

    FILE:LINE: KEY: found X, allowed is Y; did you mean Z?

Later beats earlier: built-in defaults < [defaults] < [[job]] < --set.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from qcqueue.catalog.models import KNOWN_MODELS, MODELS
from qcqueue.core.spec import KEYS, JobSpec
from qcqueue.errors import SpecInvalid
from qcqueue.text.fields import OWN_MODEL, Key
from qcqueue.text.suggest import clipped, nearest, shown
from qcqueue.text.toml import KeyLocation, Page, Path, Problems, read_page, read_value, unknown_key

MOST_JOBS = 1000
MOST_PROBLEMS = 1000

TOP_KEYS: Mapping[str, Key] = {name: KEYS[name] for name in ("study", "dataset")}
JOB_ONLY_KEYS: Mapping[str, Key] = {name: KEYS[name] for name in ("model", "name")}
SETTING_KEYS: Mapping[str, Key] = {name: it for name, it in KEYS.items() if name not in {**TOP_KEYS, **JOB_ONLY_KEYS}}
"""May stand in [defaults], in a [[job]] and after --set."""

ALL_KEYS: Mapping[str, Key] = {**TOP_KEYS, **JOB_ONLY_KEYS, **SETTING_KEYS}
KNOWN_AS: Mapping[str, str] = {habit: name for name, it in ALL_KEYS.items() for habit in it.also}

HOMES: Mapping[str, str] = {
    **dict.fromkeys(TOP_KEYS, "at the top of the file, before the first table"),
    **dict.fromkeys(JOB_ONLY_KEYS, "only in a [[job]]"),
    **dict.fromkeys(SETTING_KEYS, "in [defaults] or in a [[job]]"),
}
TABLES: Mapping[str, str] = {"defaults": "[defaults]", "job": "[[job]]"}


BUILTIN_WEIGHTS = ("imagenet", "none")

OF_THE_CATALOGUE = frozenset({"weights", "learning_rate", "optimizer", "trainable", "dropout", "step", "precision"})
"""What a function that builds a model decides for itself. In [defaults] it is for the other jobs."""
OF_OWN_MODELS = frozenset({"params", "requires"})

_NOT_OF_OWN = "found it beside a model of your own, allowed with one of the catalogue: your function says this itself"
_OF_OWN_ONLY = 'found it beside a model of the catalogue, allowed with one of your own, such as model = "mine.py:build"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The jobs of one file, in its order.

    A job that names a weights file has weights = "file" and no weights_sha256 yet; weights_files holds, by the
    name of the job, the path as it was written. Who may open files hashes it and fills the digest in. code_files holds
    the same for the Python files of own models, whose model names no more than the last part of that path.
    """

    name: str
    dataset: str
    jobs: tuple[JobSpec, ...]
    weights_files: Mapping[str, str]
    code_files: Mapping[str, str]


def parse_study(text: str | Mapping[str, Any], *, file: str, overrides: Sequence[str] = ()) -> Study:
    """Read the text of a study file, or its tables; `file` is what problems call it, overrides are KEY=VALUE and win.

    Raises: SpecInvalid: with one sentence for every problem.
    """
    top, drafts, problems = _drafted(text, file=file, overrides=overrides)
    problems.raise_if_any()
    return _study(top, drafts)


def weights_files_named(text: str | Mapping[str, Any], *, file: str, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Return the weights files by the names of their jobs, also of a study with problems, as far as it can be read."""
    try:
        top, drafts, _ = _drafted(text, file=file, overrides=overrides)
    except SpecInvalid:
        return {}
    study = setting.value if (setting := top.get("study")) else None
    return {
        f"{study}/{draft.name}" if study else draft.name: weights.value
        for draft in drafts
        if draft.name and (weights := draft.settings["weights"]) and weights.value not in BUILTIN_WEIGHTS
    }


def _drafted(
    text: str | Mapping[str, Any], *, file: str, overrides: Sequence[str]
) -> "tuple[_Settings, list[_Draft], Problems]":
    """Return the top and the jobs of a study, and all that is wrong with them."""
    page = read_page(text, file=file, of="a study") if isinstance(text, str) else Page(file=file, text=None, data=text)
    problems = Problems(MOST_PROBLEMS)
    sets = _read_overrides(overrides, problems)
    top = _read_table(page, (), {key: page.data[key] for key in TOP_KEYS if key in page.data}, TOP_KEYS, problems)
    top |= {key: sets.pop(key) for key in TOP_KEYS if key in sets}
    for key in TOP_KEYS:
        if key not in top:
            problems.add(page.place(), key, f'found nothing, allowed is a line {key} = "NAME" {HOMES[key]}')
    _check_tables(page, problems)
    defaults = _read_defaults(page, problems)
    drafts = [_read_job(page, path, table, defaults, sets, problems) for path, table in _job_tables(page, problems)]
    _check_names(drafts, problems)
    return top, drafts, problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    value: Any
    place: KeyLocation


# None stands for a value that was given and refused: what depends on it is not judged a second time.
_Settings = dict[str, _Setting | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A job before all problems are known. named_at is the place of its name, or of the model it is named after."""

    model: str | None
    name: str | None
    named_at: KeyLocation
    settings: _Settings


def _read_overrides(overrides: Sequence[str], problems: Problems) -> _Settings:
    keys = {**TOP_KEYS, **SETTING_KEYS}
    found: _Settings = {}
    for override in overrides:
        place = KeyLocation.on_command_line(override)
        key, sign, written = (part.strip() for part in override.partition("="))
        if key not in keys:
            problems.add(place, clipped(key), _stray(key, "in --set", keys))
        elif not sign:
            problems.add(place, key, f"found no value, allowed is {key}=VALUE")
        else:
            found[key] = _read(keys[key], _override_value(written, keys[key]), place, problems)
    return found


def _override_value(written: str, key: Key) -> Any:
    """Return what was written after KEY= as TOML; bare words are text, so that nobody needs two kinds of quotes."""
    value = read_value(written)
    return written if key.is_text and not isinstance(value, str) else value


def _read(key: Key, value: Any, place: KeyLocation, problems: Problems) -> _Setting | None:
    read = problems.read(key.read, value, place, key.name)
    return None if read is None else _Setting(value=read, place=place)


def _read_table(
    page: Page, path: Path, table: Mapping[str, Any], keys: Mapping[str, Key], problems: Problems
) -> _Settings:
    """Read what a table says; a key that does not belong there is a problem and nothing else."""
    found: _Settings = {}
    for name, value in table.items():
        place = page.place(*path, name)
        if name in keys:
            found[name] = _read(keys[name], value, place, problems)
        else:
            problems.add(place, clipped(name), _stray(name, f"in {TABLES[str(path[0])]}", keys))
    return found


def _stray(key: str, where: str, allowed: Mapping[str, Key]) -> str:
    """Say why `key` cannot stand where it does, and where it can or what was probably meant."""
    if key in HOMES:
        return f"found {where}, allowed {HOMES[key]}"
    return unknown_key(key, allowed, where=f"{where} ", known=ALL_KEYS, known_as=KNOWN_AS)


def _check_tables(page: Page, problems: Problems) -> None:
    """Refuse what may not stand at the top of a file."""
    for name in page.data:
        if name in TOP_KEYS or name in TABLES:
            continue
        close = nearest(name, (*ALL_KEYS, *TABLES), known_as=KNOWN_AS)
        meant = f"; did you mean {TABLES.get(close, close)}?" if close else ""
        unknown = f"found an unknown key or table, allowed are {', '.join([*TOP_KEYS, *TABLES.values()])}{meant}"
        misplaced = f"found outside a table, allowed {HOMES.get(name)}"
        problems.add(page.place(name), clipped(name), misplaced if name in HOMES else unknown)


def _read_defaults(page: Page, problems: Problems) -> _Settings:
    table = page.data.get("defaults", {})
    if isinstance(table, dict):
        return _read_table(page, ("defaults",), table, SETTING_KEYS, problems)
    found = "[[defaults]]" if table and _is_tables(table) else shown(table)
    problems.add(page.place("defaults"), "defaults", f"found {found}, allowed is one table; did you mean [defaults]?")
    return {}


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _job_tables(page: Page, problems: Problems) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return each job's table and its path. A single [job] is a problem, and is read for further ones all the same."""
    jobs = page.data.get("job", [])
    allowed = f"allowed are 1 to {MOST_JOBS} tables [[job]]"
    if isinstance(jobs, dict):
        problems.add(page.place("job"), "job", f"found [job], {allowed}; did you mean [[job]]?")
        return [(("job",), jobs)]
    if not _is_tables(jobs):
        problems.add(page.place("job"), "job", f"found {shown(jobs)}, {allowed}; did you mean [[job]]?")
        return []
    misspelt = any(nearest(name, TABLES) == "job" for name in page.data if name != "job")
    if not jobs and not misspelt:
        problems.add(page.place("job"), "job", f"found none, {allowed}")
    if len(jobs) > MOST_JOBS:
        problems.add(page.place("job", MOST_JOBS), "job", f"found {len(jobs)}, {allowed}")
    return [(("job", number), table) for number, table in enumerate(jobs[:MOST_JOBS])]


def _read_job(
    page: Page, path: Path, table: Mapping[str, Any], defaults: _Settings, sets: _Settings, problems: Problems
) -> _Draft:
    place = page.place(*path)
    own = _read_table(page, path, table, {**JOB_ONLY_KEYS, **SETTING_KEYS}, problems)
    if "model" not in own:
        problems.add(place, "model", f"found nothing, allowed is one of {', '.join(MODELS)}")
    model, name = (setting.value if (setting := own.pop(key, None)) else None for key in JOB_ONLY_KEYS)
    made = _own_model(model)
    builtin: _Settings = {key: _Setting(value=rule.default, place=place) for key, rule in SETTING_KEYS.items()}
    if made:
        builtin["weights"] = _Setting(value="none", place=place)
    stray = OF_THE_CATALOGUE if made else OF_OWN_MODELS
    for key in sorted(stray & own.keys()) if model else ():
        problems.add(page.place(*path, key), key, _NOT_OF_OWN if made else _OF_OWN_ONLY)
    for key in sorted(stray & sets.keys()) if made else ():
        if (setting := sets[key]) is not None:
            problems.add(setting.place, key, _NOT_OF_OWN)
    settings = builtin | defaults | own | sets | {key: builtin[key] for key in stray}
    if model and not made:
        _check_fits(model, settings, problems)
    return _Draft(
        model=model,
        name=name if "name" in table else _name_of(made["file"]) if made else model and model.lower(),
        named_at=page.place(*path, "name" if "name" in table else "model"),
        settings=settings,
    )


def _check_fits(model: str, settings: _Settings, problems: Problems) -> None:
    """Refuse what a model of the catalogue cannot do."""
    if (size := settings["image_size"]) and min(size.value) < (least := KNOWN_MODELS[model].minimum_side_px):
        found = f"found {shown(list(size.value))}, allowed for {model} is at least [{least}, {least}]"
        problems.add(size.place, "image_size", found)
    if model not in MODELS and (weights := settings["weights"]) and weights.value != "none":
        problems.add(weights.place, "weights", f'found {shown(weights.value)}, allowed for {model} is "none"')


def _own_model(model: str | None) -> re.Match[str] | None:
    """Return the parts of a model that a function of the person builds, None where it is of the catalogue."""
    return OWN_MODEL.fullmatch(model) if model else None


def _name_of(file: str) -> str | None:
    """Return what a job with a model of this file is called where nobody says; None where it must be said."""
    name = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(file).stem.casefold()).strip("-")
    return name[:64] or None


def _check_names(drafts: Sequence[_Draft], problems: Problems) -> None:
    first: dict[str, KeyLocation] = {}
    for draft in drafts:
        if draft.name is None:
            continue
        if (before := first.setdefault(draft.name, draft.named_at)) is not draft.named_at:
            found = f'found "{draft.name}" for a second time, after {before.where}'
            problems.add(draft.named_at, "name", f"{found}, allowed is each name once; give one a name = of its own")


def _study(top: _Settings, drafts: Sequence[_Draft]) -> Study:
    """Build the study, once nothing was refused."""
    named = {key: setting.value for key, setting in top.items() if setting}
    jobs: list[JobSpec] = []
    weights_files: dict[str, str] = {}
    code_files: dict[str, str] = {}
    for draft in drafts:
        values = {KEYS[key].field: setting.value for key, setting in draft.settings.items() if setting}
        values |= {"model": draft.model, "name": draft.name}
        if values["weights"] not in BUILTIN_WEIGHTS:
            weights_files[values["name"]] = values["weights"]
            values["weights"] = "file"
        if made := _own_model(draft.model):
            code_files[values["name"]] = made["file"]
            values["model"] = f"{PurePosixPath(made['file']).name}:{made['function']}"
        jobs.append(JobSpec(**named, **values, weights_sha256=None))
    return Study(
        name=named["study"],
        dataset=named["dataset"],
        jobs=tuple(jobs),
        weights_files=weights_files,
        code_files=code_files,
    )
