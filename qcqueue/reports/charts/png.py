"""SVG files as PNG, through resvg; the only module that knows it. The same file gives the same bytes on one machine."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from qcqueue.errors import ExtraMissing
from qcqueue.reports.charts.look import FILE_FONT

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
    """Begin to draw several and yield what waits for them, in their order. Raises as `to_png`.

    Most of a report's time goes here, and resvg lets other threads run meanwhile.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        begun = [threads.submit(to_png, svg) for svg in svgs]
        yield lambda: [it.result() for it in begun]


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
