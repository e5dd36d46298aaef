"""Measure what saving costs on Drive: requests an epoch, and the most of the quota a job ever uses.

A real session saves the epochs of a trainer on paper over the Drive emulator, once with a commit for each epoch, as
where validation is shorter than an upload, and once with two, as where it is longer. No time is measured: the network
is loopback. One state of the default size is that of VGG16 whose head is trained at 75 px.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.support.null_trainer import Saving, run_on_drive

EPOCHS = 100
STATE_BYTES = 60_000_000
REQUESTS_MOST = 6
STATES_MOST, VERSIONS_BYTES = 4, 5_000_000


def measure(epochs: int, state_bytes: int) -> dict[str, dict[str, float]]:
    """Return the figures of both ways to commit."""
    found = {}
    for name, together in (("one commit an epoch", True), ("two commits an epoch", False)):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = _figures(
                run_on_drive(Path(folder), epochs=epochs, state_bytes=state_bytes, together=together)
            )
    return found


def _figures(saving: Saving) -> dict[str, float]:
    return {
        "epochs": saving.epochs,
        "state_bytes": saving.state_bytes,
        "requests_an_epoch": saving.requests_an_epoch,
        "chunks_an_epoch": saving.chunks / saving.epochs,
        "requests_of_the_session": sum(saving.requests.values()),
        "most_bytes": saving.most_bytes,
        "states_at_most": saving.most_bytes / saving.state_bytes,
        "bytes_in_bin": saving.bytes_in_bin,
    }


def render(found: dict[str, dict[str, float]]) -> str:
    lines = [
        f"{'saving on Drive':<24}{'requests an epoch':>19}{'chunks an epoch':>17}{'quota used, at most':>22}{'bin':>6}"
    ]
    lines += [
        f"{name:<24}{row['requests_an_epoch']:>19.2f}{row['chunks_an_epoch']:>17.2f}"
        f"{row['states_at_most']:>15.2f} states{row['bytes_in_bin']:>6.0f}"
        for name, row in found.items()
    ]
    first = next(iter(found.values()))
    lines.append(
        f"{first['epochs']:.0f} epochs, a state of {first['state_bytes'] / 1e6:.0f} MB; what begins and ends the "
        f"session is counted in, three for each pack (begun, sent, deleted) are not; target: at most {REQUESTS_MOST} "
        f"requests, {STATES_MOST} states + 5 MB"
    )
    return "\n".join(lines)


def is_in_bounds(row: dict[str, float]) -> bool:
    """Whether a way to commit keeps what is promised; what begins and ends a session is spread over its epochs."""
    most_bytes = STATES_MOST * row["state_bytes"] + VERSIONS_BYTES
    return (
        row["requests_an_epoch"] < REQUESTS_MOST + 0.1 and row["most_bytes"] <= most_bytes and not row["bytes_in_bin"]
    )


def main() -> int:
    """Print the table; return 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"epochs to save (default: {EPOCHS})")
    parser.add_argument("--state-bytes", type=int, default=STATE_BYTES, metavar="N", help="size of a state")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    found = measure(options.epochs, options.state_bytes)
    print(render(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(not all(map(is_in_bounds, found.values())))


if __name__ == "__main__":
    sys.exit(main())
