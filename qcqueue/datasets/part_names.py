"""How people call train, validation and test: folders, columns and options in any of the usual spellings.

Leaves what to make of them to `parts`, `labels_csv` and the command line. Only letters count, so numbers, hyphens and
capitals make no difference, and a name that says more than which part it is tells what else it says.
"""

import re

from qcqueue.datasets.format import Split
from qcqueue.datasets.outline import composed

WORDS = {
    Split.TRAIN: "train|training|trains|trn|trainval",
    Split.VALIDATION: "val|valid|validation|validate|validating|dev|devel|development",
    Split.TEST: "test|tests|testing|tst|eval|evaluation|holdout|heldout",
}
BESIDE_A_WORD = (
    "(?>datasets?|data|sets?|seg|images?|imgs?|pics?|pictures?|photos?|scans?|split|subset|folder|dir|part|files?"
    "|samples?|x)*+"
)
"""Possessive: these words overlap, and a long name made of them must not be tried in every way."""

SPELLED = {split: re.compile(f"{BESIDE_A_WORD}(?:{words}){BESIDE_A_WORD}") for split, words in WORDS.items()}
PLAIN = re.compile("train|(?<!e)val|test", re.IGNORECASE)


def part_of(name: str) -> tuple[Split, str] | None:
    """Return which part a name speaks of and what else it says: "" for "01_TrainingData", "cat" for "train_cat"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", composed(name))
    words = re.findall(r"[^\W\d_]+", re.sub(r"(hold|held)[\W_]*(out)", r"\1\2", apart.casefold()))
    found = [next((split for split, spelled in SPELLED.items() if spelled.fullmatch(word)), None) for word in words]
    parts = set(found) - {None}
    if parts == {Split.TRAIN, Split.VALIDATION}:  # "train_val" is what the test is kept apart from
        parts = {Split.TRAIN}
    if len(parts) != 1:
        return None
    others = [word for word, part in zip(words, found, strict=True) if part is None]
    (part,) = parts
    assert part is not None
    return part, " ".join(word for word in others if not re.fullmatch(BESIDE_A_WORD, word))


def split_named(name: str) -> Split | None:
    """Return the part that a name stands for and says nothing else, such as "Testing" or "val"."""
    found = part_of(name)
    return found[0] if found and not found[1] else None


def is_plain_part(name: str) -> bool:
    """Return whether a name uses the plainest word for its part, which counts where two folders claim one."""
    return PLAIN.search(name) is not None
