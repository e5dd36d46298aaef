"""How pictures look: the style rules of their classes, and the faces of a picture that leaves the page.

A page includes `RULES` in its sheet, a file carries them along, so that both show the same picture.
"""

from qcqueue.reports.charts.lettering import LABEL_SIZE, SMALL_SIZE, TEXT_SIZE

PAGE_FONT = "system-ui, sans-serif"
FILE_FONT = "DejaVu Sans, Liberation Sans, Arial, Helvetica, sans-serif"

# Long-hand properties and plain selectors only: what draws PNG knows a part of CSS. `over` is for words that lie on
# lines: these pass behind them, not through them.
_RULES = f"""
svg text {{ font-family: FONT; font-size: {TEXT_SIZE:g}px; fill: var(--quiet); }}
svg .name {{ font-weight: 600; }}
svg .label {{ font-weight: 600; font-size: {LABEL_SIZE:g}px; fill: var(--ink); }}
svg .small {{ font-size: {SMALL_SIZE:g}px; }}
svg .value {{ fill: var(--ink); }}
svg .strong {{ font-weight: 600; fill: var(--ink); }}
svg .over {{ paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }}
svg .grid {{ stroke: var(--rule); stroke-width: 1; }}
svg .axis {{ stroke: var(--quiet); stroke-width: 1; }}
svg .seam {{ stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 1 3; }}
svg .ideal {{ stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 4 3; fill: none; }}
svg .curve {{ fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }}
svg .leader {{ fill: none; stroke-width: 1; stroke-dasharray: 1 4; opacity: 0.8; }}
svg .ring {{ fill: none; stroke-width: 2; }}
svg .mark {{ fill: none; stroke-width: 1.6; stroke-linecap: round; }}
svg .segment {{ stroke: var(--paper); stroke-width: 0.8; }}
"""


def rules(font: str) -> str:
    """Return the style rules of a picture's classes; font is a list of families, ours and never data."""
    return _RULES.replace("FONT", font)
