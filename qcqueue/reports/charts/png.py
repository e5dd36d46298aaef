"""SVG files as PNG, through resvg; the only module that knows it. The same file gives the same bytes on one machine."""

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from qcqueue.errors import ExtraMissing
from qcqueue.reports.charts.look import FILE_FONT
from qcqueue.stores.registry import without_secrets

FEWEST_A_HAND = 8
"""For fewer pictures another process would take longer to begin than to draw them."""

EXTRA = 'pip install "qcqueue[figures]"'
_PROBE = f"""<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"
><text x="2" y="18" font-family="{FILE_FONT}" font-size="16">{{}}</text></svg>"""


def to_png(svg: str, *, scale: float = 2) -> bytes:
    """Return an SVG file, such as `standalone` makes, as PNG; scale: pixels a user unit.

    Raises: ExtraMissing: resvg is not installed, or this machine has no font, without which all words would vanish.
    """
    if not _has_a_font():
        raise ExtraMissing(
            "this machine has no font, so figures as PNG would have no words",
            hint="install a font, for example: apt-get install fonts-dejavu-core",
        )
    return _drawn(svg, scale)


@contextlib.contextmanager
def drawing(svgs: Iterable[str]) -> Iterator[Callable[[], list[bytes]]]:
    """Begin to draw several and yield what waits for them, in their order. Raises as `to_png`, when it is waited for.

    Most of a report's time goes here, and resvg keeps Python's lock: where there are many, processes of their own draw.
    """
    wanted = list(svgs)
    hands = max(1, min(os.cpu_count() or 1, len(wanted) // FEWEST_A_HAND))
    with ThreadPoolExecutor(hands) as threads:
        parts = [threads.submit(_drawn_together, wanted[hand::hands], elsewhere=hands > 1) for hand in range(hands)]

        def wait() -> list[bytes]:
            drawn = [part.result() for part in parts]
            return [drawn[place % hands][place // hands] for place in range(len(wanted))]

        yield wait


def _drawn_together(svgs: list[str], *, elsewhere: bool) -> list[bytes]:
    if svgs and elsewhere and _has_a_font():
        # -P: what lies in the folder one stands in is no part of Python.
        process = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            env=without_secrets(os.environ),
            input=json.dumps(svgs).encode(),
            capture_output=True,
            check=False,
        )
        if process.returncode == 0:
            return [base64.b64decode(png) for png in json.loads(process.stdout)]
    return [to_png(svg) for svg in svgs]


@cache
def _has_a_font() -> bool:
    """Say whether a letter leaves anything on an empty picture; resvg says nothing of words it cannot set."""
    return _drawn(_PROBE.format("M"), 1) != _drawn(_PROBE.format(""), 1)


def _drawn(svg: str, scale: float) -> bytes:
    try:
        import resvg_py
    except ImportError as exc:
        raise ExtraMissing("figures as PNG need resvg", hint=EXTRA) from exc
    return resvg_py.svg_to_bytes(svg_string=svg, zoom=scale)


if __name__ == "__main__":
    print(json.dumps([base64.b64encode(to_png(svg)).decode() for svg in json.load(sys.stdin)]))
