"""Profiles: how a value changes over levels that have an order and names, one line a model; accuracy by severity."""

import math
from dataclasses import dataclass

from qcqueue.reports.charts.lines import Chart, Line
from qcqueue.reports.charts.lines import draw as draw_lines
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.scales import Scale, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One model; values are in the order of the levels, None where there is none."""

    label: str
    paint: str
    values: tuple[float | None, ...]
    dash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What to draw."""

    key: str
    title: str
    description: str
    levels_name: str
    levels: tuple[str, ...]
    y_name: str
    y: Scale
    profiles: tuple[Profile, ...]


def draw(chart: Profiles) -> Picture:
    """Return the profiles; a level without a value breaks its line."""
    lines = tuple(
        Line(
            label=profile.label,
            points=tuple(enumerate(math.nan if value is None else value for value in profile.values)),
            paint=profile.paint,
            dash=profile.dash,
        )
        for profile in chart.profiles
    )
    return draw_lines(
        Chart(
            key=chart.key,
            title=chart.title,
            description=chart.description,
            x_name=chart.levels_name,
            y_name=chart.y_name,
            x=named(chart.levels),
            y=chart.y,
            lines=lines,
        )
    )
