"""Write the keys of a study into docs/study-files.md from the fields of the spec, so that the page says what is true.

Only the table [defaults] of the page's first study is written here; everything around it is for people to write.
"""

from collections.abc import Iterator
from pathlib import Path

from qcqueue.core.study import SETTING_KEYS
from qcqueue.text.suggest import shown

PAGE = Path(__file__).parents[1] / "docs" / "study-files.md"
BEGIN, END = "[defaults]", "\n\n[[job]]"
COLUMN = 27
"""Where the comments of the page begin."""


def study_page(page: str) -> str:
    """Return the page with its keys written anew."""
    before, begin, rest = page.partition(BEGIN)
    head, after = rest.partition("\n")[0], rest.partition(END)[2]
    return before + begin + "\n".join([head, *_lines()]) + END + after


def _lines() -> Iterator[str]:
    for name, key in SETTING_KEYS.items():
        default = list(key.default) if isinstance(key.default, tuple) else key.default
        line = f"{name} = {key.example or shown(default)}"
        yield f"{line if default is not None else f'# {line}':<{COLUMN}}# {key.help}"


if __name__ == "__main__":
    PAGE.write_text(study_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
