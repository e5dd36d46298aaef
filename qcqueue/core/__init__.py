"""What qcqueue talks about, as plain values and pure rules: specs, states, outcomes, leases, records.

Nothing here reads a file, a clock or a database. `study` parses text a caller has read; everything else is
dataclasses, tables and functions of them. Other packages agree on these values instead of on each other.
"""
