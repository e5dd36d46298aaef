"""Slots as a network makes them: answers get lost, the store is busy, what was made is not seen yet.

`FaultySlots` wraps real slots for one machine. Before and after every call the world may let others run (`pause`) or
kill the machine. A fault never breaks what `stores.base` promises of slots; it only uses all that is left open.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import islice

from qcqueue.errors import OutcomeUnknown, StoreBusy
from qcqueue.stores.base import Creation, Slots
from tests.support.chance import Chance

# A listing never shows the slots created last, however long one waits.
LISTING_LAG = 3


class SlotFault(StrEnum):
    """What can go wrong with a call."""

    LOST_ANSWER = "created, and the answer was lost"
    LOST_REQUEST = "not created, and the answer was lost"
    BUSY = "refused"
    LATE_FACTS = "taken and not visible yet"
    NO_LISTING = "empty listing"


class FaultySlots:
    """Slots as one machine sees them. rate is the probability of each fault each time it could strike."""

    def __init__(self, slots: Slots, chance: Chance, *, rate: float, pause: Callable[[], None] = lambda: None) -> None:
        self.hits: Counter[SlotFault] = Counter()
        self._slots = slots
        self._chance = chance
        self._rate = rate
        self._pause = pause

    @property
    def url(self) -> str:
        return self._slots.url

    @property
    def root(self) -> str:
        return self._slots.root

    @property
    def is_near(self) -> bool:
        return False

    def reserve(self, number: int) -> str:
        self._reach()
        return self._slots.reserve(number)

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        self._reach()
        if self._hit(SlotFault.LOST_REQUEST):
            raise OutcomeUnknown("the request was lost")
        creation = self._slots.create(slot, body, facts)
        self._pause()
        if self._hit(SlotFault.LOST_ANSWER):
            raise OutcomeUnknown("the answer was lost")
        return creation

    def facts(self, slot: str) -> Mapping[str, str] | None:
        self._reach()
        return None if self._hit(SlotFault.LATE_FACTS) else self._slots.facts(slot)

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        self._reach()
        return self._slots.look_again(slot)

    def body(self, slot: str) -> bytes:
        self._reach()
        return self._slots.body(slot)

    def truncate(self, slot: str) -> None:
        self._reach()
        self._slots.truncate(slot)

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        self._reach()
        if self._hit(SlotFault.NO_LISTING):
            return []
        return islice(self._slots.list_slots(), LISTING_LAG, None)

    def _reach(self) -> None:
        self._pause()
        if self._hit(SlotFault.BUSY):
            raise StoreBusy("the store is busy")

    def _hit(self, fault: SlotFault) -> bool:
        if self._chance.random() >= self._rate:
            return False
        self.hits[fault] += 1
        return True
