"""Where shared bytes live. `base` says what every store, its slots and its backend owe; `registry` names the kinds.

A store knows blobs and heartbeats, never jobs.
"""
