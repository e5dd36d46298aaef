"""Everything that has create-once slots keeps the promises of `stores.base`."""

from qcqueue.testing.conformance import SlotContract


class TestAllSlots(SlotContract):
    pass
