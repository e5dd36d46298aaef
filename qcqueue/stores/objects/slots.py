"""Create-once slots in a bucket: an object that is put only where there is none of its name.

An object is one line of facts, then the bytes, so that one request makes both. Its name begins with a number that falls
as that of its version rises, because a listing goes by name: the newest come first, and dates mean nothing. Truncating
puts the line alone in its place, under the same name, which is therefore never free again. Nobody waits for that: what
went wrong with one is told to whoever truncates the next, and a process ends when the last one is done.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from qcqueue.clock import Ids
from qcqueue.errors import OutcomeUnknown, StoreBusy, StoreError
from qcqueue.stores.base import Creation
from qcqueue.stores.facts_line import BODY_BYTES_MAX, FACTS_BYTES_MAX, facts_in, first_line
from qcqueue.stores.names import checked, is_word
from qcqueue.stores.objects.answers import LATER
from qcqueue.stores.objects.bucket import Bucket

FOLDER = "versions"
# It is version 1's, and comes after all numbers.
ROOT = "first"
NUMBERS = 10**10
# Nearly every line is shorter; the one that is not costs a second request.
FACTS_BYTES_USUAL = 4 << 10


class BucketSlots:
    """Slots of one queue."""

    def __init__(self, bucket: Bucket, ids: Ids) -> None:
        self._bucket = bucket
        self._ids = ids
        self._seen: dict[str, Mapping[str, str]] = {}  # what a slot was created with never changes
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="truncating")
        self._truncating: Future[None] | None = None

    @property
    def url(self) -> str:
        return self._bucket.url

    @property
    def root(self) -> str:
        return ROOT

    @property
    def is_near(self) -> bool:
        return False

    def reserve(self, number: int) -> str:
        return f"{NUMBERS - 1 - number % NUMBERS:010d}-{self._ids.new()}"

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        name, line = self._name(slot), first_line(facts)
        assert len(line) <= FACTS_BYTES_MAX, "facts are short"
        if self._bucket.create(name, line + body):
            self._seen[slot] = dict(facts)
            return Creation.CREATED
        # S3 answers alike whether another one stands there and whether another one is only being made, which may fail.
        try:
            is_there = self.facts(slot) is not None
        except StoreError as exc:
            raise OutcomeUnknown(f"{self.url} does not say whose slot {slot} is", hint=exc.hint) from exc
        if not is_there:
            raise OutcomeUnknown(f"{self.url} refuses slot {slot}, and does not show it", hint=LATER)
        return Creation.TAKEN

    def facts(self, slot: str) -> Mapping[str, str] | None:
        name = self._name(slot)
        if slot not in self._seen:
            found = self._read_facts(name)
            if found is None:
                return None
            self._seen[slot] = found
        return self._seen[slot]

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        self._seen.pop(slot, None)
        return self.facts(slot)

    def body(self, slot: str) -> bytes:
        name = self._name(slot)
        if self._truncating is not None:
            wait([self._truncating])
        found = self._bucket.read_piece(name, 0, FACTS_BYTES_MAX + BODY_BYTES_MAX)
        if found is None:
            raise StoreBusy(f"{self.url} does not show slot {slot} yet", hint=LATER)
        return found.partition(b"\n")[2]

    def truncate(self, slot: str) -> None:
        facts, before = self.facts(slot), self._truncating
        if facts is not None:
            self._truncating = self._beside.submit(self._bucket.write, self._name(slot), first_line(facts))
        if before is not None:
            before.result()

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        for found in self._bucket.list(FOLDER):
            slot = found.name.removeprefix(f"{FOLDER}/")
            if is_word(slot) and (facts := self.facts(slot)) is not None:
                yield slot, facts

    def _read_facts(self, name: str) -> Mapping[str, str] | None:
        line, end = b"", b""
        for first, length in ((0, FACTS_BYTES_USUAL), (FACTS_BYTES_USUAL, FACTS_BYTES_MAX - FACTS_BYTES_USUAL)):
            found = self._bucket.read_piece(name, first, length)
            if found is None:
                return None
            line, end, _ = (line + found).partition(b"\n")
            if end or len(found) < length:
                break
        return facts_in(line, f"{self.url}/{name}")

    def _name(self, slot: str) -> str:
        return f"{FOLDER}/{checked(slot, 'slot', url=self.url)}"
