"""The format of a version: one immutable image of the queue in a create-once slot, and the link to the next.

A version is a slot with facts (text, readable without the body) and a body. The facts of the second version of a
queue, stored in the slot that the first one named as its `next`:

    format   "7"               the schema's; a newer one is refused before anything else is read, and not touched; a
                               version of an older one stays as it is, and its successor is of today's
    number   "2"               the first version is 1; a successor is one higher
    next     "9f1c27aa03be"    the slot that the only successor of this version may use, reserved beforehand
    sha256   "5e7c…"           of the body as it was created; it stays when the body is truncated to nothing
    before   "b1d0…"           the digest of the version before it; "" in the first
    author   "ada@laptop"      for people
    nonce    "c03f9d5512e8"    drawn for this one try to create: tells whose version it is when an answer was lost

A version that took a queue over after its store had been put back from a copy has facts that others lack:

    gave_up  "43 1f0c…"        the number of the head that was given up, its mark, and those of the versions before it
    gave_up_2, gave_up_3       more marks, as many as there are

A fact that a version lacks stays out of its digest. A mark is how a digest begins.

A version's digest is the SHA-256 of its facts as canonical JSON, so it vouches for the body (by `sha256`) and for all
versions before it (by `before`). The body is zlib over one line of canonical JSON, then the SQLite file as it is:

    {"marks":["1f0c5be2a7d4"],"trail":["first"]}\\n SQLite format 3\\0 …

`trail` lists the slots of the versions right before this one, oldest first, as far as their bodies may not have been
given back yet: whoever commits next knows from it which one to truncate, without a listing. `marks` are theirs, as far
as they are known: the versions of an older qcqueue have none. A machine needs only the
slot `first` of the store to find everything: it follows `next` until a slot is free.
"""

import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from qcqueue.database.schema import FORMAT
from qcqueue.database.sqlite import RESCUE, unknown_format
from qcqueue.errors import CorruptionError, StoreFull, StoreMissing
from qcqueue.stores.base import FACT_BYTES_MAX
from qcqueue.text.canonical_json import canonical_json, digest_of, parse_json
from qcqueue.text.humanize import size
from qcqueue.text.suggest import clipped

MARK_LETTERS = 12

KEPT_IN = "kept_in"
"""The fact by which the first slot says that the queue is on a server, and the store has only its files: see `bond`."""

_GAVE_UP = ("gave_up", "gave_up_2", "gave_up_3")
_MARKS_A_FACT = (FACT_BYTES_MAX - len(_GAVE_UP[-1])) // (MARK_LETTERS + 1)

# How many versions the head that is given up and those before it may be, to be named one by one.
GIVEN_UP_MAX = len(_GAVE_UP) * _MARKS_A_FACT - 1

# 1,000 jobs of 90 epochs have 86 MB, packed into 18, which is more than anybody wants to commit with every epoch. A
# store may show bodies of any size, and a megabyte of zeros stands for gigabytes.
IMAGE_BYTES_MAX = 112 << 20
BODY_BYTES_MAX = 64 << 20

SQLITE = b"SQLite format 3\0"
HEADER_BYTES = 100
HEAD_BYTES_MAX = 64 << 10
PIECE_BYTES = 1 << 20
NAMES_MAX = 100
"""More slots than the trail of any version has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What the facts of a slot say."""

    slot: str
    number: int
    next: str
    sha256: str
    before: str
    author: str
    nonce: str
    format: int = FORMAT
    gave_up: tuple[str, ...] = ()
    """The number of a head, its mark and those of versions before it; nothing in nearly all versions."""

    @property
    def facts(self) -> dict[str, str]:
        said = {name: str(getattr(self, name)) for name in _ALWAYS}
        for at, name in enumerate(_GAVE_UP):
            if part := self.gave_up[at * _MARKS_A_FACT : (at + 1) * _MARKS_A_FACT]:
                said[name] = " ".join(part)
        return said

    @property
    def digest(self) -> str:
        return digest_of(self.facts)

    @property
    def mark(self) -> str:
        return self.digest[:MARK_LETTERS]

    def gives_up(self, version: "Version") -> bool:
        """Return whether it took the queue over from another head, and names this version as given up with it."""
        return version.mark in self.gave_up[1:]


_ALWAYS = ("format", "number", "next", "sha256", "before", "author", "nonce")


def version_of(slot: str, facts: Mapping[str, str], *, url: str) -> Version:
    """Read the facts of a slot.

    Raises: UnknownFormat: a newer qcqueue wrote it. CorruptionError: they are damaged. StoreMissing: the queue of this
    store is kept on a server.
    """
    if KEPT_IN in facts:
        raise StoreMissing(
            f"the queue of {url} is kept in {clipped(facts[KEPT_IN])}",
            hint="set QCQUEUE_DATABASE to that, or write it into qcqueue.toml as database =",
        )
    try:
        written = int(facts["format"])
    except (KeyError, ValueError) as exc:
        raise CorruptionError(f"slot {slot} in {url} holds no version of a queue", hint=RESCUE) from exc
    if written > FORMAT:
        raise unknown_format(f"slot {slot} in {url}", written)
    try:
        named = {name: facts[name] for name in ("next", "sha256", "before", "author", "nonce")}
        gave_up = tuple(word for name in _GAVE_UP for word in facts.get(name, "").split())
        version = Version(slot=slot, number=int(facts["number"]), format=written, gave_up=gave_up, **named)
    except (KeyError, ValueError) as exc:
        raise CorruptionError(f"the version in slot {slot} of {url} is damaged: {exc}", hint=RESCUE) from exc
    return version


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the body of a version holds. image is a SQLite file; marks belong to the last slots of the trail."""

    trail: tuple[str, ...]
    image: bytes
    marks: tuple[str, ...] = ()

    def packed(self) -> bytes:
        """Raises: StoreFull: it is larger than anybody would read."""
        head = canonical_json({"marks": list(self.marks), "trail": list(self.trail)}).encode()
        body = zlib.compress(head + b"\n" + self.image)
        if len(self.image) > IMAGE_BYTES_MAX or len(body) > BODY_BYTES_MAX:
            raise StoreFull(
                f"the queue has grown to {size(len(self.image))}, and a version of one holds {size(IMAGE_BYTES_MAX)}",
                hint="begin another queue for what comes: qcqueue init --store folder:ANOTHER-PLACE",
            )
        return body


def contents_of(body: bytes, version: Version, *, url: str) -> Contents:
    """Unpack a body. Raises: CorruptionError: it is not the one this version was created with."""
    if hashlib.sha256(body).hexdigest() != version.sha256:
        raise CorruptionError(f"version {version.number} in {url} is damaged: its bytes are not its own", hint=RESCUE)
    try:
        head, image = _unpacked(body)
        said = parse_json(head)
        trail, marks = _names(said["trail"], "trail"), _names(said.get("marks", []), "marks")
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as exc:
        why = clipped(str(exc))
        raise CorruptionError(f"version {version.number} in {url} cannot be unpacked: {why}", hint=RESCUE) from exc
    return Contents(trail=trail, image=image, marks=marks)


def _names(said: object, what: str) -> tuple[str, ...]:
    if not isinstance(said, list) or len(said) > NAMES_MAX or not all(isinstance(name, str) for name in said):
        raise ValueError(f"its {what} is no list of names")
    return tuple(said)


def _unpacked(body: bytes) -> tuple[bytes, bytes]:
    """Return the first line of a body and the image, which is as long as its own header says, and never endless.

    Raises: ValueError, zlib.error.
    """
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"it has {size(len(body))}")
    unpacking = zlib.decompressobj()
    head, line_end, begun = unpacking.decompress(body, HEAD_BYTES_MAX).partition(b"\n")
    if not line_end:
        raise ValueError("it does not begin with a line of JSON")
    image = io.BytesIO()
    image.write(begun)
    image.write(unpacking.decompress(unpacking.unconsumed_tail, HEADER_BYTES))
    stated_bytes = _stated_bytes(image.getbuffer()[:HEADER_BYTES].tobytes())
    while not unpacking.eof and image.tell() <= stated_bytes:
        piece = unpacking.decompress(unpacking.unconsumed_tail, PIECE_BYTES)
        if not piece and not unpacking.eof:
            raise ValueError("it was cut short")
        image.write(piece)
    if image.tell() != stated_bytes:
        raise ValueError(f"its image does not have the {size(stated_bytes)} that it says")
    return head, image.getvalue()  # which copies nothing


def _stated_bytes(begun: bytes) -> int:
    """Return how long a SQLite file is by its header. Raises ValueError: it is none, or longer than it can be."""
    if not begun.startswith(SQLITE) or len(begun) < HEADER_BYTES:
        raise ValueError("it holds no SQLite file")
    page_bytes = int.from_bytes(begun[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    stated_bytes = page_bytes * int.from_bytes(begun[28:32], "big")
    if stated_bytes > IMAGE_BYTES_MAX:
        raise ValueError(f"its image says that it has {size(stated_bytes)}")
    return stated_bytes
