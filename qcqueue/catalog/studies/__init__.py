"""Study files that ship with the package, for whoever has no clone: those of the repository's `jobs/`, byte for byte.

Only text; what a study means is `core.study`'s.
"""

from importlib import resources

from qcqueue.errors import UnknownName
from qcqueue.text.suggest import did_you_mean

_FOLDER = resources.files(__package__)
STUDIES = ("six-models", "tiny")


def study_text(name: str) -> str:
    """Return the study file of this name. Raises: UnknownName: none of that name ships."""
    if name not in STUDIES:
        raise UnknownName(
            f"no study called {name!r} ships with qcqueue{did_you_mean(name, STUDIES)}; there are {', '.join(STUDIES)}",
            hint=f"qcqueue new {STUDIES[0]}",
        )
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
