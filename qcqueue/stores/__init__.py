"""Where shared bytes live. `base.Store` says what every store owes; one file a store.

A store knows blobs and heartbeats, never jobs.
"""
