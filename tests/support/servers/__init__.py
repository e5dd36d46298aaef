"""Real servers for buckets, each a process on loopback that a test session starts once and kills at its end.

Where a server is, `scripts/servers` says: it installs each in an environment of its own below `.servers`.
"""
