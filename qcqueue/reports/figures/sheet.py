"""The sheet a figure is drawn on: one column wide, measured in millimetres from its upper left corner.

The only module that begins to draw with matplotlib, which is imported when something is drawn. Nothing is laid out by
a solver: words are measured before they are set, so that nothing collapses whatever the names are. Always true: a
figure looks the same whatever the settings of whoever draws it.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qcqueue.errors import ExtraMissing
from qcqueue.reports.markup import visible
from qcqueue.reports.palette import hex_of
from qcqueue.reports.quantities.stats import INSTALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_MM = 85.0
SIZE, SMALL_SIZE = 7.0, 6.3
"""Sizes of type, in points: on a phone the smaller one is 9 pixels high."""

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge, in millimetres."""

Paint = tuple[str, float]
"""A colour and how opaque it is, 0..1."""

LINE_MM = 3.2
_POINTS_A_MM = 72 / 25.4
_FONT = "DejaVu Sans"
_KEPT_END = 0.4

INK, QUIET, RULE, PAPER = hex_of("ink"), hex_of("quiet"), hex_of("rule"), hex_of("paper")

_STYLE: Any = {
    "font.family": _FONT,
    "font.size": SIZE,
    "text.color": QUIET,
    "text.parse_math": False,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.labelsize": SIZE,
    "axes.labelpad": 2,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": SIZE,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 0,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.1,
    "svg.fonttype": "none",
    # Type 3, the default, is refused by many journals.
    "pdf.fonttype": 42,
}


class Sheet:
    """A figure that is being drawn. figure is matplotlib's, for whoever wants to restyle it."""

    def __init__(self, height_mm: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.height_mm = height_mm
        self._whole: Axes | None = None
        self.figure = Figure(figsize=(WIDTH_MM / 25.4, height_mm / 25.4))
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Return axes whose plot area has this corner and size."""
        down = self.height_mm
        return self.figure.add_axes((left / WIDTH_MM, 1 - (top + height) / down, width / WIDTH_MM, height / down))

    def whole(self) -> "Axes":
        """Return axes without a frame over all of the sheet, in millimetres and downwards."""
        if self._whole is None:
            self._whole = self.axes(0, 0, WIDTH_MM, self.height_mm)
            self._whole.set_axis_off()
            self._whole.set(xlim=(0, WIDTH_MM), ylim=(self.height_mm, 0))
        return self._whole

    def boxes(self, boxes: Sequence[tuple[Box, Paint]], *, edge: str) -> None:
        """Draw boxes with thin edges. Many small ones by axes of their own would take longer than all the rest."""
        from matplotlib.collections import PolyCollection
        from matplotlib.colors import to_rgba
        from matplotlib.transforms import Affine2D

        corners = [((x0, y0), (x1, y0), (x1, y1), (x0, y1)) for (x0, y0, x1, y1), _ in boxes]
        down = Affine2D().scale(1 / WIDTH_MM, -1 / self.height_mm).translate(0, 1)
        self.figure.add_artist(
            PolyCollection(
                corners,
                facecolors=[to_rgba(colour, opacity) for _, (colour, opacity) in boxes],
                edgecolors=edge,
                linewidths=0.4,
                transform=down + self.figure.transFigure,
            )
        )

    def words(self, text: str, x: float, y: float, **looks: Any) -> None:
        """Write a line whose middle stands at y; looks as matplotlib's text has them. text is ours, or `fitted`."""
        self.figure.text(x / WIDTH_MM, 1 - y / self.height_mm, text, **{"va": "center_baseline", **looks})


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and save in our style, with no setting of the machine. Raises: ExtraMissing."""
    try:
        import matplotlib
    except ImportError as exc:
        raise ExtraMissing("figures need matplotlib, which is not installed", hint=INSTALL) from exc
    with matplotlib.rc_context(), warnings.catch_warnings():
        # What a font has no glyph for becomes a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


@lru_cache(maxsize=1 << 14)
def width_of(text: str, *, size: float = SIZE, bold: bool = False) -> float:
    """Return how wide a line is, in millimetres."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    looks = FontProperties(family=_FONT, size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, looks, False)
    return float(width) / _POINTS_A_MM


def fitted(text: str, room: float, *, size: float = SIZE, bold: bool = False) -> str:
    """Return a name from outside as it can be set: on one line, and of a long one its beginning and its end."""
    clean = " ".join(visible(text).split())
    if width_of(clean[:300], size=size, bold=bold) <= room and len(clean) <= 300:
        return clean
    end = _fitting(clean[::-1], room * _KEPT_END, size=size, bold=bold)
    tail = clean[len(clean) - end :].lstrip(" -_/.")
    ahead = clean[: _fitting(clean, room - width_of(f"…{tail}", size=size, bold=bold), size=size, bold=bold)]
    return f"{ahead.rstrip(' -_/.')}…{tail}"


def widest(texts: Sequence[str], most: float, *, size: float = SIZE, bold: bool = False) -> float:
    """Return the room that names from outside need, at most so much."""
    return max(
        (min(width_of(fitted(it, most, size=size, bold=bold), size=size, bold=bold), most) for it in texts), default=0.0
    )


def _fitting(text: str, room: float, *, size: float, bold: bool) -> int:
    """Return how many characters fit."""
    low, high = 0, min(len(text), 200)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle], size=size, bold=bold) <= room:
            low = middle
        else:
            high = middle - 1
    return low
