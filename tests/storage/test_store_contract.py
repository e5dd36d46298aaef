"""Every store keeps the promises of `storage.base`."""

from qcqueue.testing.conformance import StoreContract


class TestEveryStore(StoreContract):
    pass
