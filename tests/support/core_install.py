"""A machine that has the core install and none of the extras, played on one that has them all.

Always true: nothing is uninstalled; only the finders of this process do not find what an extra brings.
"""

import sys
from typing import Any

EXTRAS = (
    *("tensorflow", "keras", "sklearn", "skimage", "pydicom", "pydrive2", "googleapiclient", "httplib2", "tenacity"),
    *("matplotlib", "scipy", "tensorboard", "mlflow", "alembic", "pandas", "IPython"),
)

PRETEND = """\
import sys
from tests.support.core_install import finders
sys.meta_path[:] = finders()
"""
"""What a process runs first that is to be such a machine."""


class Finder:
    """A finder of modules that does not find those of the extras."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def find_spec(self, name: str, *rest: Any) -> Any:
        return None if is_of_an_extra(name) else self._finder.find_spec(name, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def finders() -> list[Any]:
    return [Finder(finder) for finder in sys.meta_path]


def is_of_an_extra(name: str) -> bool:
    """Return whether a module, by its dotted name, comes with an extra."""
    return name.partition(".")[0] in EXTRAS
