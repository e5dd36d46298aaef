"""Every home of the database keeps the promises of `database.base`."""

from qcqueue.testing.conformance import DatabaseContract


class TestEveryDatabase(DatabaseContract):
    pass
