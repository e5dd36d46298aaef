"""Columns of a CSV that mean a split or a group under another name, which must not be passed over in silence.

Leaves the columns that have a meaning to `labels_csv`. A column is judged by what it holds where that is plain, as
train and test are, and by its name where it is not; what has neither is only said to be unused.
"""

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from qcqueue.datasets.format import Split
from qcqueue.datasets.limits import shown
from qcqueue.datasets.part_names import part_of, split_named
from qcqueue.datasets.table import CsvTable
from qcqueue.errors import DatasetInvalid

GROUP_NAME = re.compile(
    "(groups?|patients?|subjects?|cases?|persons?|people|individuals?|participants?|animals?|donors?)"
    "(id|ids|no|nr|num|number|name|key|code)?"
)
WORDS_MOST = 40
"""A column of parts has few different words."""


def check_unused(table: CsvTable, unused: Sequence[str], *, is_grouped: bool, where: str) -> None:
    """Refuse a column that nobody has spoken of and that says which image is in which part, or which stay together.

    unused: the columns without a meaning of their own. is_grouped: another column or a pattern groups already.
    Raises: DatasetInvalid: naming the column, with what makes it count.
    """
    counts = {name: Counter(row.fields[name] for row in table.rows if row.fields[name]) for name in unused}
    if "split" not in table.columns:
        for name, words in counts.items():
            _check_no_split(name, words, is_full=words.total() == len(table.rows), where=where)
        if not is_grouped:
            for name, words in counts.items():
                _check_no_group(name, words, where=where)


def _check_no_split(name: str, words: Counter[str], *, is_full: bool, where: str) -> None:
    if not 1 < len(words) <= WORDS_MOST:
        return
    parts = {found[0] if (found := part_of(word)) else None for word in words}
    if None in parts or Split.TRAIN not in parts or len(parts) == 1:
        return
    plain = is_full and all(split_named(word) is not None for word in words)
    examples = " and ".join(shown(word) for word in sorted(words)[:2])
    raise DatasetInvalid(
        f"the column {shown(name)} of {where} holds the parts of a split, such as {examples}, but is not called split",
        hint=f"rename the column {shown(name)} to split"
        + ("" if plain else ", and write train, validation or test in every line")
        + ", or remove it to have the images shared out anew",
    )


def _check_no_group(name: str, words: Counter[str], *, where: str) -> None:
    if not GROUP_NAME.fullmatch(re.sub(r"[\W_]+", "", name)) or len(words) < 2 or max(words.values()) == 1:
        return
    raise DatasetInvalid(
        f"the column {shown(name)} of {where} says which images belong together, but nobody asks to keep them so",
        hint=f"--group-by {shlex.quote(name)} keeps the images of each in one part; "
        f"to do without, remove the column {shown(name)}",
    )
