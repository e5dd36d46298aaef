"""The queue: transaction functions that change it and queries that read it.

A transaction function takes an open connection as its first argument, plain values after it, checks legality,
writes, tells the story in `history`, and returns a value. It reads no clock and touches no store, so it can be
run again on a newer version of the database. Callers run it with `database.transact(lambda tx: ...)`.
"""
