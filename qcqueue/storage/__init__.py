"""Where shared bytes live. `base.Store` says what every store owes; one file a store; `STORES` names them.

A store knows blobs, slots and heartbeats, never jobs. `open_store` turns a store URL into the store of its scheme.
"""
