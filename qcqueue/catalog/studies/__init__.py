"""Study files that ship with the package, those of the repository's `jobs/`, byte for byte, and images to practise on.

Only text and names: what a study means is `core.study`'s, and images are made below `app`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from qcqueue.errors import UnknownName
from qcqueue.text.suggest import did_you_mean

_FOLDER = resources.files(__package__)
STUDIES = ("six-models", "tiny", "toys")


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeSet:
    """Images that `data sample` makes. study: the one that names them; command: what makes them just so."""

    study: str
    images: int
    command: str


PRACTICE_SETS: Mapping[str, PracticeSet] = {
    "qc-images": PracticeSet(study="six-models", images=3236, command="qcqueue data sample"),
    "qc-tiny": PracticeSet(study="tiny", images=96, command="qcqueue data sample --name qc-tiny --images 96"),
    "qc-patterns": PracticeSet(study="toys", images=96, command="qcqueue data sample --patterns"),
}
"""By the name of the dataset."""

PHOTOGRAPHS, PATTERNS = "qc-images", "qc-patterns"


def study_text(name: str) -> str:
    """Return the study file of this name. Raises: UnknownName: none of that name ships."""
    if name not in STUDIES:
        raise UnknownName(
            f"no study called {name!r} ships with qcqueue{did_you_mean(name, STUDIES)}; there are {', '.join(STUDIES)}",
            hint=f"qcqueue new {STUDIES[0]}",
        )
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def first_study(dataset: str | None) -> str:
    """Return what to type to get a study for a dataset that is there; None: to get a dataset first."""
    if dataset is None:
        return "qcqueue data sample"
    if practice := PRACTICE_SETS.get(dataset):
        return f"qcqueue new {practice.study} --out {practice.study}.toml"
    return f'qcqueue new six-models --out study.toml, and write dataset = "{dataset}" in it'


def images_for(dataset: str) -> str:
    """Return what to type to get a dataset that is not there."""
    own = f"qcqueue data add PATH --name {dataset}"
    practice = PRACTICE_SETS.get(dataset)
    return f"{practice.command}, or {own}" if practice else f"{own}, or qcqueue data sample --name {dataset}"
