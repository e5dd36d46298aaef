"""Exit codes that no error class carries; the contract other people's scripts rely on."""

BUG = 1
FAILED = 3
LEASE_LOST = 6
NOTHING_TO_DO = 7
CANNOT_START = 8
RESUMABLE = 20
INTERRUPTED = 130
