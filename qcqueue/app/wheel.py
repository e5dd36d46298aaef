"""The package that runs here, as a wheel: how qcqueue gets to a machine whose index does not know it.

It is made of the files of the package and of the facts about it that pip has noted, so it needs nothing to build with.
Always true: the same files give the same bytes, be they installed from a wheel or where somebody works on them.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from qcqueue.errors import SettingInvalid

PACKAGE = Path(__file__).parents[1]
SUFFIXES = (".py", ".toml", ".typed")
"""What the package ships: code, data, and the mark that it is typed."""

CONTENTS = "contents.sha256"
"""A file beside the facts about the package: the digest of all its files, by which a notebook knows its own wheel."""

_LEFT_OUT = "conformance"  # what tests prove of plug-ins, which no session runs; room in a cell is short

_ASKED_FOR = ("Name: ", "Version: ", "Requires-Python: ", "Requires-Dist: ", "Provides-Extra: ")
_ABOUT = "Wheel-Version: 1.0\nGenerator: qcqueue\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_BEFORE_ALL = (1980, 1, 1, 0, 0, 0)
_UNIX = 3  # which a file says that it was made on, wherever it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """contents_sha256: the digest of the files of the package in it."""

    name: str
    data: bytes
    contents_sha256: str


@cache
def own_wheel() -> Wheel:
    """Return the wheel, uncompressed, so that it can be compressed as a whole.

    Raises: SettingInvalid: this qcqueue is not installed, but found by its path.
    """
    package = {name: path.read_bytes() for name, path in _shipped()}
    ours = _installed()
    folder = f"qcqueue-{ours.version}.dist-info"
    contents_sha256 = hashlib.sha256(_record(package).encode()).hexdigest()
    facts = {
        "METADATA": _facts(ours.read_text("METADATA") or ""),
        "WHEEL": _ABOUT,
        "entry_points.txt": ours.read_text("entry_points.txt") or "",
        "licenses/LICENSE": ours.read_text("licenses/LICENSE") or "",
        CONTENTS: contents_sha256,
    }
    files = package | {f"{folder}/{name}": text.encode() for name, text in facts.items()}
    # Without digests, which pip writes itself once it has installed them: they are what compresses least.
    files[f"{folder}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{folder}/RECORD")).encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _BEFORE_ALL)
            entry.create_system = _UNIX
            archive.writestr(entry, data)
    return Wheel(name=f"qcqueue-{ours.version}-py3-none-any.whl", data=held.getvalue(), contents_sha256=contents_sha256)


def _installed() -> Distribution:
    """Return what pip has noted of qcqueue; what a build has left beside the sources is no installation."""
    for found in distributions(name="qcqueue"):
        if found.read_text("METADATA"):
            return found
    raise SettingInvalid(
        "qcqueue is not installed here, so a notebook cannot bring it", hint="qcqueue notebook --from-index"
    )


def _shipped() -> Iterator[tuple[str, Path]]:
    """Yield the files of the package by their names in a wheel, in the order of these."""
    found = (path for path in PACKAGE.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    travels = (path for path in found if path.relative_to(PACKAGE).parts[0] != _LEFT_OUT)
    yield from sorted((path.relative_to(PACKAGE.parent).as_posix(), path) for path in travels)


def _facts(metadata: str) -> str:
    """Return what pip asks for. The rest is worded by whatever built the package, or as old as its installation."""
    lines = metadata.partition("\n\n")[0].splitlines()
    return "\n".join(["Metadata-Version: 2.1", *(line for line in lines if line.startswith(_ASKED_FOR))]) + "\n"


def _record(files: Mapping[str, bytes]) -> str:
    """Return what the digest of all files is taken of: their names, digests and sizes."""
    return "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
