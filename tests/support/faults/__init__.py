"""Disks that fail under real `qcqueue` processes: every file call of every command, one at a time.

`calls.c` fails a call of libc, so that SQLite's are among them, or kills the process there; `preload` builds it and
reads what it counted; `trainer` trains without TensorFlow, and `program` is `qcqueue` with that trainer. `scenes` says
what each command needs and what must be true afterwards, `campaign` plays them. `scripts/simulate faults` is all that.
"""
