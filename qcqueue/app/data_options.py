"""What is typed after `data add`, made into values: sizes, splits, folders of an author's split, patterns.

Owns one sentence for each mistake that the text alone shows; what only the images can tell is refused below `app`.
Nothing is opened or read here, so a mistyped option costs no time.
"""

import difflib
import re
import shlex
from decimal import Decimal
from typing import TYPE_CHECKING

from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.datasets.depth import Depth
    from qcqueue.datasets.importing import ImportOptions
    from qcqueue.datasets.parts import SplitFolders
    from qcqueue.datasets.split import Shares, Totals

LARGEST_SIDE_PX = 2048
ROUNDING = Decimal("0.01")
"""How far shares may be from the whole, as in 0.33,0.33,0.33."""

PARTS = ("train", "validation", "test")
SPLIT_HINT = "--split 70,15,15 shares the images out, --split 2200,550,486 counts them"
FOLDERS_HINT = "--split-folders train=FOLDER,validation=FOLDER,test=FOLDER"


def import_options(
    *,
    size: str,
    split: str | None,
    split_folders: str | None,
    group_by: str | None,
    include: list[str] | None,
    depth: str | None,
    seed: int,
) -> "ImportOptions":
    """Return what was typed as values. Raises: UserError: one sentence for the first thing that makes no sense."""
    from qcqueue.datasets.importing import ImportOptions

    if split is not None and split_folders is not None:
        raise UserError(
            "--split shares out what --split-folders says is split already; only one of them can count",
            hint="leave out --split to keep the folders as they are",
        )
    if group_by is not None and not group_by.strip():
        raise UserError("--group-by is empty", hint="--group-by folder")
    return ImportOptions(
        image_size=_image_size(size),
        split=_split(split),
        split_folders=_split_folders(split_folders),
        group_by=group_by,
        include=tuple(include or ()),
        depth=_depth(depth),
        seed=seed,
    )


def _image_size(text: str) -> tuple[int, int]:
    # With the comma of a study file, or the cross of a camera, it means the same.
    found = re.fullmatch(r"(\[)?\s*([0-9]{1,5})(?:\s*[x×,]\s*([0-9]{1,5}))?\s*(?(1)\])", text.strip().lower())
    height, width = (int(found[2]), int(found[3] or found[2])) if found else (0, 0)
    if not (1 <= height <= LARGEST_SIDE_PX and 1 <= width <= LARGEST_SIDE_PX):
        raise UserError(
            f"--image-size {text!r} is not a height and width of 1 to {LARGEST_SIDE_PX} pixels",
            hint="--image-size 75x75",
        )
    return height, width


def _split(text: str | None) -> "Totals | Shares | None":
    """Return counts where whole numbers stand, shares where a point or a per cent sign does.

    Three whole numbers that add up to 100 may be either, which only the number of images decides.
    """
    from qcqueue.datasets.split import Shares

    if text is None:
        return None
    typed = [part.strip() for part in text.split(",")]
    if len(typed) != len(PARTS) or not all(re.fullmatch(r"(\d{1,9}|\d{0,9}\.\d{1,9})\s*%?", part) for part in typed):
        raise UserError(f"--split {text!r} is not three numbers for training, validation and test", hint=SPLIT_HINT)
    train, validation, test = numbers = [Decimal(part.removesuffix("%").strip()) for part in typed]
    for name, number in zip(PARTS, numbers, strict=True):
        if number == 0:
            raise UserError(f"--split {text!r} leaves nothing for {name}", hint=SPLIT_HINT)
    if not any("." in part or "%" in part for part in typed):
        return int(train), int(validation), int(test)
    total = train + validation + test
    whole = 100 if "%" in text or total > 2 else 1
    if abs(total / whole - 1) > ROUNDING:
        raise UserError(f"--split {text!r} adds up to {total}; shares add up to 1 or to 100", hint="--split 70,15,15")
    scale = 10 ** max(len(part.rstrip("% ").partition(".")[2]) for part in typed)
    return Shares(weights=(int(train * scale), int(validation * scale), int(test * scale)))


def _split_folders(text: str | None) -> "SplitFolders | None":
    if text is None:
        return None
    from qcqueue.datasets.format import Split
    from qcqueue.datasets.part_names import split_named

    folders: list[str | None] = [None, None, None]
    # A comma may stand in the name of a folder; the next part begins where a name and "=" follow it.
    for item in re.split(r",(?=[^,=]*=)", text):
        typed, equals, folder = item.partition("=")
        folder = folder.strip().replace("\\", "/").removeprefix("./").rstrip("/")
        if not equals or not folder:
            raise UserError(
                f"--split-folders {text!r} does not say which folder is which part",
                hint=FOLDERS_HINT if "=" in text else f"--split-folders {shlex.quote(f'train={text.strip()}')}",
            )
        part = split_named(typed)
        if part is None:
            near = difflib.get_close_matches(typed.strip().lower(), PARTS, n=1)
            raise UserError(
                f"--split-folders: there is no part {typed.strip()!r}"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=f"--split-folders {shlex.quote(text.replace(f'{typed}=', f'{near[0]}='))}"
                if near
                else FOLDERS_HINT,
            )
        if folders[part] is not None:
            raise UserError(f"--split-folders names the folder of {PARTS[part]} twice", hint=FOLDERS_HINT)
        if folder in folders:
            raise UserError(
                f"--split-folders: {folder!r} cannot be both {PARTS[folders.index(folder)]} and {PARTS[part]}",
                hint=FOLDERS_HINT,
            )
        folders[part] = folder
    train = folders[Split.TRAIN]
    if train is None:
        raise UserError(f"--split-folders {text!r} names no folder to train on", hint=FOLDERS_HINT)
    return train, folders[Split.VALIDATION], folders[Split.TEST]


def _depth(text: str | None) -> "Depth | None":
    from qcqueue.datasets.depth import AUTO, DEPTH_BITS_MAX, DEPTH_BITS_MIN

    if text is None:
        return None
    typed = text.strip().lower()
    if typed == AUTO:
        return AUTO
    if re.fullmatch(r"[0-9]{1,3}", typed) and DEPTH_BITS_MIN <= int(typed) <= DEPTH_BITS_MAX:
        return int(typed)
    raise UserError(
        f"--depth {text!r} is neither a whole number of bits from {DEPTH_BITS_MIN} to {DEPTH_BITS_MAX} nor auto",
        hint="--depth 12, or --depth auto",
    )
