"""Every store keeps the promises of `stores.base`."""

from qcqueue.testing.conformance import StoreContract


class TestEveryStore(StoreContract):
    pass
