"""The ways a job may change its training images, each by the name of a function that is imported on use.

A function takes the images of a batch, uint8 [sample, height, width, 3], which it may write to, and by keyword seed,
epoch (from 1) and ids of the samples; it returns images of the same shape and type. It must be pure in these, and what
it does to a sample must not depend on the others, or a run that was cut would end with other bits. A new augmentation
is one row here and its function.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRow:
    """apply: its function as "module:function", None where images stay as they are.

    note: what a person should know who chooses it, "" for nothing.
    """

    apply: str | None
    note: str = ""


AUGMENTATIONS: Mapping[str, AugmentRow] = {
    "none": AugmentRow(apply=None),
    "flips": AugmentRow(
        apply="qcqueue.engines.batches:mirrored",
        note="mirrored sideways and upside down, each for half of the images",
    ),
}
