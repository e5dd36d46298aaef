"""Real servers for buckets and databases, each a process on loopback, started once a session of tests.

Where a server is, `scripts/servers` says: it installs each in an environment of its own below `.servers`, but for the
PostgreSQL of the system.
"""
