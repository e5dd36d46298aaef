"""A store: the place where shared bytes live. It knows blobs and heartbeats, and nothing of jobs.

What every store owes, and every caller may rely on:
- A blob is immutable and named by its SHA-256. `put` may be repeated; it returns only once the bytes are whole,
  durable and verified. A put that was cut leaves nothing under the name.
- `fetch` verifies: it leaves the whole right bytes at the target or raises, never something in between.
- `delete` is final and may be repeated.
- A heartbeat is judged by the store's own clock, never by a session's.
- `list_blobs` is a hint: it may be late. No decision about safety may rest on it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Shared bytes. Implementations: `folder.FolderStore`; wrappers add retries or faults."""

    @property
    def url(self) -> str:
        """How a person names this store, such as `folder:/data/queue`."""
        ...

    def put(self, source: Path) -> str:
        """Store the bytes of `source`; return their SHA-256.

        Raises: StoreDenied, StoreBusy. DigestMismatch: what arrived is not what was sent.
        """
        ...

    def fetch(self, sha256: str, target: Path) -> None:
        """Write the blob to `target`, verified, whole or not at all.

        Raises: BlobMissing: the store has no such blob. DigestMismatch: its bytes are damaged.
        """
        ...

    def size(self, sha256: str) -> int | None:
        """Return the blob's size in bytes, or None where the store has no such blob."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a blob for good; removing what is not there is fine."""

    def list_blobs(self) -> Iterable[str]:
        """Yield the names the store shows now; a hint."""
        ...

    def beat(self, name: str) -> None:
        """Touch the heartbeat `name`."""

    def heartbeat_age_s(self, name: str) -> float | None:
        """Return the seconds since the last beat by the store's clock, or None where there was none."""
        ...

    def forget_heartbeat(self, name: str) -> None:
        """Remove a heartbeat nobody needs; removing what is not there is fine."""
