"""Which files of a class folder are its images: all that lie right in it, or what `--include` says.

Owns the patterns, and the signs of what is no image of the class although it looks like one: subfolders, masks and
thumbnails beside the images. Such things are refused by name with the pattern that takes the images, never mixed in;
what is no image by its ending is left out, and said.
"""

import fnmatch
import glob
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from qcqueue.datasets.beside import (
    BESIDE_WORDS,
    IMAGE_WORDS,
    WORD,
    FileOfClass,
    files_beside,
    stem_of,
    suffix_of,
    words_of,
)
from qcqueue.datasets.limits import PATTERN_LENGTH_MAX, shown
from qcqueue.datasets.outline import base, composed, listed, parent
from qcqueue.errors import DatasetInvalid

IMAGE_ENDINGS = re.compile(
    "a?png|jpe?g?|jfif|mpo|bmp|dib|gif|tiff?|webp|p[pgbn]m|dcm|hei[cf]|avif|jp2|jxl|svg",
)
OTHER_ENDINGS = re.compile(
    r"""
    txt | md | rst | rtf | pdf | html? | docx? | odt | xlsx? | ods | pptx? | csv | tsv | jsonl? | ndjson | xml | ya?ml
    | toml | ini | cfg | conf | log | db | sqlite | py | ipynb | m | r | sh | bat | ps1 | lnk | url | webloc | desktop
    | zip | tar | t?gz | bz2 | xz | 7z | rar | lst | names | bib | md5 | sha1 | sha256 | pkl | pickle | pth
    | part | crdownload | partial | filepart | download | opdownload | !sync | bak      # half a file, or an old one
    | xmp | aae | thm | jbf | pp3 | dop | cos        # what cameras and programs note beside a photograph
    """,
    re.VERBOSE,
)
OTHER_NAMES = re.compile("readme|licen[cs]e|copying|notice|authors|changelog|changes|citation")

NO_CLASS_WORDS = re.compile(
    "masks|segmentations?|superpixels?|labels|annotations?|gt|groundtruth|overlays|contours|heatmaps?|thumbs?|thumbnails?"
    "|previews"
)
"""Names of folders that hold no class; "mask" and some others are classes of honest datasets."""

BINS = frozenset(("RECYCLED", "Recycle Bin", "trashbox"))
"""Names of folders for what was thrown away, which might be classes all the same, and so are asked about."""

SIZE = r"\d+x\d+"
PATTERNS_SAID_MAX = 8


def may_be_image(path: str) -> bool:
    """Return whether a name does not say that the file is something else; only its bytes can say that it is one."""
    stem, dot, ending = base(path).casefold().rpartition(".")
    return not (stem and OTHER_ENDINGS.fullmatch(ending)) and not OTHER_NAMES.fullmatch(stem if dot else ending)


def is_image(path: str) -> bool:
    """Return whether a name says that the file is an image."""
    _, dot, ending = base(path).casefold().rpartition(".")
    return bool(dot and IMAGE_ENDINGS.fullmatch(ending))


def select_images(
    candidates: Sequence[FileOfClass], include: Sequence[str], *, where: str, takes_subfolders: bool = False
) -> list[FileOfClass]:
    """Return the images among what may be one.

    include: shell patterns over the path below the class folder; `*` ends at a slash, `**` does not, a leading `!`
    leaves out; upper and lower case are one. takes_subfolders: a subfolder is a group of images of the class.
    Raises: DatasetInvalid: something lies there that nobody has spoken of, or a pattern matches nothing.
    """
    wanted = [pattern for pattern in include if not pattern.startswith("!")]
    unwanted = [pattern.removeprefix("!") for pattern in include if pattern.startswith("!")]
    left = [one for one in candidates if not any(matches(one.name, pattern) for pattern in unwanted)]
    for pattern in unwanted:
        if candidates and not any(matches(one.name, pattern) for one in candidates):
            deeper = any(matches(one.name, f"**/{pattern}") for one in candidates)
            raise DatasetInvalid(
                f"--include {shown(f'!{pattern}')!r} leaves nothing out of {where}"
                + ("; * ends at a slash" if deeper else ""),
                hint=_include(f"!**/{pattern}") if deeper else "leave it out, or correct the pattern",
            )
    if not wanted:
        _check_nothing_beside(left, where=where, takes_subfolders=takes_subfolders)
        return left
    chosen = [one for one in left if any(matches(one.name, pattern) for pattern in wanted)]
    if not chosen and candidates:
        example = candidates[0].name
        near = next((pattern for pattern in wanted if example.startswith(f"{pattern.rstrip('/')}/")), None)
        hint = _include(f"{glob.escape(near.rstrip('/'))}/*" if near else "/".join("*" * (example.count("/") + 1)))
        raise DatasetInvalid(
            f"--include {listed(map(repr, include))} takes none of the images of {where}; "
            f"below their class folders they are called as {shown(example)}",
            hint=hint,
        )
    return chosen


def check_include(include: Iterable[str]) -> tuple[str, ...]:
    """Return patterns as `select_images` reads them. Raises: DatasetInvalid: one that can match nothing."""
    checked = []
    for pattern in include:
        mark = "!" * pattern.startswith("!")
        path = composed(pattern.removeprefix("!").replace("\\", "/")).removeprefix("./")
        if not path or path.startswith("/") or ".." in path.split("/") or len(path) > PATTERN_LENGTH_MAX:
            typed = shlex.quote(shown(pattern) if pattern else "")
            raise DatasetInvalid(
                f"--include {typed} is not a pattern of paths below a class folder",
                hint="--include 'images/*'",
            )
        checked.append(mark + (f"{path}**" if path.endswith("/") else path))
    return tuple(checked)


def matches(name: str, pattern: str) -> bool:
    """Return whether a shell pattern matches a whole path."""
    return _matches(name.casefold().split("/"), pattern.casefold().split("/"))


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Match from the right end of both: reached[j] tells whether patterns[j:] match the parts seen so far."""
    reached = [False] * len(patterns) + [True]
    for pattern_index in range(len(patterns) - 1, -1, -1):
        reached[pattern_index] = patterns[pattern_index] == "**" and reached[pattern_index + 1]
    for part in reversed(parts):
        after = [False] * (len(patterns) + 1)
        for index in range(len(patterns) - 1, -1, -1):
            if patterns[index] == "**":
                after[index] = reached[index] or after[index + 1]
            else:
                after[index] = reached[index + 1] and fnmatch.fnmatchcase(part, patterns[index])
        reached = after
    return reached[0]


def odd_classes(stems_of: Mapping[str, frozenset[str]]) -> dict[str, str | None]:
    """Return the names among those of classes that say that they are none, each with the class it belongs to.

    stems_of: of each class, the names of its files without their endings. None: no class beside it, as for thumbnails.
    """
    named_words = {name: _name_words(name) for name in stems_of}
    named = {tuple(words): name for name, words in named_words.items()}
    images = [name for name, words in named_words.items() if words and all(map(IMAGE_WORDS.fullmatch, words))]
    found: dict[str, str | None] = {}
    for name, words in named_words.items():
        rest = tuple(word for word in words if not BESIDE_WORDS.fullmatch(word))
        if name in BINS or all(map(NO_CLASS_WORDS.fullmatch, words or [""])):
            found[name] = None
        elif len(rest) == len(words):
            continue
        elif rest in named:
            found[name] = named[rest]
        else:
            own = {_bare(stem) for stem in stems_of[name]}
            same = (image for image in images if own == {_bare(stem) for stem in stems_of[image]})
            if (image := next(same, None)) is not None:
                found[name] = image
    return found


def is_images_only(name: str) -> bool:
    """Return whether a folder is called by holding pictures of any class, as images is."""
    return all(map(IMAGE_WORDS.fullmatch, _name_words(name) or [""]))


def are_images_and_masks(names: Iterable[str]) -> bool:
    """Return whether folders are called by what kind of pictures they hold, images and masks, and no class."""
    kinds = {"images" if is_images_only(name) else "masks" if _is_no_image_folder(name) else "" for name in names}
    return kinds == {"images", "masks"}


def _name_words(name: str) -> list[str]:
    return words_of(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))


def _bare(stem: str) -> tuple[str, ...]:
    """Return the words of a file's name but those that tell what kind of picture it is."""
    words = words_of(stem)
    return tuple(word for word in words if not BESIDE_WORDS.fullmatch(word) and not IMAGE_WORDS.fullmatch(word))


def _check_nothing_beside(candidates: Sequence[FileOfClass], *, where: str, takes_subfolders: bool) -> None:
    nested = [one for one in candidates if "/" in one.name]
    odd = sorted({part for one in nested for part in one.name.split("/")[:-1] if _is_no_image_folder(part)})
    if nested and (odd or not takes_subfolders):
        example = next(one for one in nested if not odd or odd[0] in one.name.split("/")[:-1])
        inside = sorted({parent(one.name) for one in nested if one.class_name == example.class_name})
        raise DatasetInvalid(
            f"the class {shown(example.class_name)} in {where} has subfolders: {listed(inside)}",
            hint=_hint_for_subfolders(candidates, odd, takes_subfolders=takes_subfolders),
        )
    pairs = sorted(
        {odd_one.path: (odd_one, image) for odd_one, image in reversed([*files_beside(candidates)])}.values(),
        key=lambda pair: pair[0].path,
    )
    if pairs:
        odd_one, image = pairs[0]
        raise DatasetInvalid(
            f"{where} holds {len(pairs)} file{'s' * (len(pairs) > 1)} that by name belong to an image beside them, "
            f"such as {shown(odd_one.path)} to {shown(base(image.path))}",
            hint=_hint_for_files([odd_one for odd_one, _ in pairs], candidates),
        )


def _is_no_image_folder(name: str) -> bool:
    words = words_of(name)
    return any(map(BESIDE_WORDS.fullmatch, words)) and not any(map(IMAGE_WORDS.fullmatch, words))


def _hint_for_subfolders(candidates: Sequence[FileOfClass], odd: Sequence[str], *, takes_subfolders: bool) -> str:
    depths = {one.name.count("/") for one in candidates}
    kept = [one for one in candidates if not set(odd) & set(one.name.split("/")[:-1])]
    firsts = {one.name.partition("/")[0] for one in kept if "/" in one.name}
    direct = any("/" not in one.name for one in kept)
    without = "".join(f" {_include(f'!**/{glob.escape(name)}/**')}" for name in odd)
    if odd and kept:
        if not firsts:
            return _include("*")
        if len(firsts) == 1 and not direct:
            name = glob.escape(next(iter(firsts)))
            return _include(f"{name}/*" if {one.name.count("/") for one in kept} == {1} else f"{name}/**")
        return without.strip() if takes_subfolders else f"{_include('**')}{without}"
    every = _include("*/*" if depths == {1} else "**")
    if takes_subfolders:
        return every
    if not direct:
        return f"{every} takes them all, or --group-by folder keeps each subfolder in one part"
    if {one.class_name for one in candidates} == {one.class_name for one in candidates if "/" not in one.name}:
        return f"{_include('*')} takes only what lies right in the class folders, {every} takes them all"
    return every


def _hint_for_files(odd: Sequence[FileOfClass], candidates: Sequence[FileOfClass]) -> str:
    """Return patterns that leave out exactly these files."""
    names = {one.path for one in odd}
    tried: list[tuple[str, ...]] = []
    found: Counter[str] = Counter()
    for one in odd:
        for match in WORD.finditer(stem_of(one.name)):
            if BESIDE_WORDS.fullmatch(match[0].casefold()):
                before = stem_of(one.name)[: match.start()][-1:]
                found[f"!**/{'*' * bool(before)}{before if not before.isalnum() else ''}{match[0]}*"] += 1
    tried.append(tuple(pattern for pattern, _ in found.most_common()))
    suffixes = sorted({suffix_of(one.name) for one in odd})
    tried.append(tuple(f"!**/*{glob.escape(suffix)}.*" for suffix in suffixes if suffix))
    marked = sorted({pattern for one in odd if (pattern := _pattern_of(one))})
    tried.append(tuple(marked))
    endings = sorted({one.name.rpartition(".")[2] for one in candidates if one.path not in names})
    tried.append(tuple(f"**/*.{ending}" for ending in endings))
    for patterns in tried:
        chosen = {one.path for one in candidates if _is_taken(one.name, patterns)}
        if 0 < len(patterns) <= PATTERNS_SAID_MAX and chosen == {one.path for one in candidates} - names:
            flat = [
                pattern.replace("**/", "") if all("/" not in one.name for one in candidates) else pattern
                for pattern in patterns
            ]
            return f"{' '.join(map(_include, flat))} leaves them out, --include '**' takes them too"
    return "move them elsewhere, or take them as images too with --include '**'"


def _pattern_of(odd: FileOfClass) -> str:
    """Return the pattern that leaves a file out by what its name says was done to it, else by its ending."""
    if suffix := suffix_of(odd.name):
        return f"!**/*{re.sub(SIZE, '[0-9]*x[0-9]*', glob.escape(suffix))}.*"
    return f"!**/*.{odd.name.rpartition('.')[2]}"


def _is_taken(name: str, patterns: Sequence[str]) -> bool:
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    return not any(matches(name, one) for one in unwanted) and (not wanted or any(matches(name, one) for one in wanted))


def _include(pattern: str) -> str:
    return f"--include {shlex.quote(pattern)}"
