"""One of every picture, for as many models as wanted: what the tests measure, and a contact sheet to look at.

    python -m tests.reports.charts.gallery FOLDER

writes each picture as SVG and PNG, in light and dark, for 1, 6 and 12 models, long names, one epoch and unfinished
jobs, and `gallery.html` with all of them in the style of the page.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from qcqueue.core.goodput import goodput_of
from qcqueue.reports.charts import bars, heatmap, intervals, lines, profiles, reliability, timeline
from qcqueue.reports.charts.goodput import goodput_figure
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.png import to_png
from qcqueue.reports.charts.scales import counted, measured, shares, spent
from qcqueue.reports.charts.standalone import standalone
from qcqueue.reports.markup import tag
from qcqueue.reports.page.style import style
from qcqueue.reports.palette import DARK, LIGHT, dash, paint, tint
from qcqueue.reports.quantities.timeline import HowEnded
from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S, count, duration, percent
from tests.reports.studies import START_S

SIX = ("DenseNet121", "VGG16", "ResNet50V2", "InceptionV3", "Xception", "InceptionResNetV2")
TWELVE = (*SIX, "VGG19", "ResNet101V2", "MobileNetV3Large", "EfficientNetV2B0", "NASNetMobile", "ConvNeXtTiny")
LONG = tuple(f"{name}-fine-tuned-with-augmentation-and-dropout-0.5-seed-{place}" for place, name in enumerate(SIX))
CLASSES = ("good", "fair", "reject")
LONG_CLASSES = (
    "diagnostically acceptable quality",
    "borderline, to be repeated",
    "rejectunconditionallyandatonce",
    "n",
)
QUANTITIES = ("time per step", "time per epoch", "trainable parameters", "parameters", "total time", "test accuracy")


Draw = Callable[[tuple[str, ...], int], Picture]
# One of every kind, drawn for models of these names after so many epochs.
PICTURES: Mapping[str, Draw] = {
    "curves": lambda names, epochs: curves(names, epochs=epochs),
    "one model": lambda names, epochs: one_model(names[0], epochs=epochs),
    "against time": lambda names, epochs: against_time(names, epochs=epochs),
    "accuracies": lambda names, epochs: accuracies(names),
    "confusion": lambda names, epochs: confusion(CLASSES),
    "pairs": lambda names, epochs: pairs(names),
    "correlation": lambda names, epochs: correlation(),
    "calibration": lambda names, epochs: calibration(names),
    "days": lambda names, epochs: days(names, sessions=30, every_s=17 * HOUR_S),
    "time split": lambda names, epochs: time_split(names),
    "held": lambda names, epochs: held(names),
    "severities": lambda names, epochs: severities(names),
}


@cache
def picture_of(kind: str, names: tuple[str, ...], epochs: int = 100) -> Picture:
    """Return a picture of a kind, drawn once a process."""
    return PICTURES[kind](names, epochs)


def every_picture(names: tuple[str, ...], *, epochs: int = 100) -> list[Picture]:
    """Return one picture of each kind for models of these names, drawn anew."""
    return [draw(names, epochs) for draw in PICTURES.values()]


def learned(epoch: int, seed: int) -> float:
    return (
        0.5
        + (0.38 + 0.008 * seed) * (1 - math.exp(-epoch / (5 + 2 * seed)))
        + 0.006 * math.sin(2.3 * epoch + seed)
        + 0.004 * math.sin(0.37 * epoch * (seed + 1))
    )


def lost(epoch: int, seed: int) -> float:
    return 0.4 + 0.7 * math.exp(-epoch / (6 + seed)) + 0.002 * epoch + 0.008 * math.sin(1.7 * epoch + seed)


def curves(names: tuple[str, ...], *, epochs: int) -> Picture:
    found = [
        # Later models are not as far yet.
        tuple((epoch, learned(epoch, place)) for epoch in range(1, max(1, epochs - 13 * (place % 4)) + 1))
        for place, _ in enumerate(names)
    ]
    return lines.draw(
        lines.Chart(
            key="all-accuracy",
            title="Validation accuracy by epoch, all models",
            description="rises",
            y_name="validation accuracy (%)",
            x=counted(epochs),
            y=shares([value for points in found for _, value in points]),
            lines=tuple(
                lines.Line(label=name, points=points, paint=paint(place), dash=dash(place))
                for place, (name, points) in enumerate(zip(names, found, strict=True))
            ),
        )
    )


def one_model(name: str, *, epochs: int) -> Picture:
    validation = tuple((epoch, lost(epoch, 2)) for epoch in range(1, epochs + 1))
    training = tuple((epoch, 1.1 * math.exp(-epoch / 12) + 0.03) for epoch in range(1, epochs + 1))
    best = min(validation, key=lambda point: point[1])
    return lines.draw(
        lines.Chart(
            key="loss-0",
            title=f"{name}: loss by epoch",
            description="falls",
            y_name="loss (cross-entropy)",
            x=counted(epochs),
            y=measured([value for _, value in (*validation, *training)]),
            lines=(
                lines.Line(label="training", points=training, paint=paint(0), dash="5 4"),
                lines.Line(label="validation", points=validation, paint=paint(0)),
            ),
            seams=tuple(lines.Seam(at=at + 0.5, label=f"#{at}") for at in (17, 41, 42, 80) if at < epochs),
            rings=(lines.Ring(x=best[0], y=best[1], paint=paint(0)),),
        )
    )


def against_time(names: tuple[str, ...], *, epochs: int) -> Picture:
    found = []
    for place, _ in enumerate(names):
        best, points = 0.0, []
        for epoch in range(1, epochs + 1):
            best = max(best, learned(epoch, place))
            points.append((epoch * (20.0 + 9 * place), best))
        found.append(tuple(points))
    return lines.draw(
        lines.Chart(
            key="accuracy-by-time",
            title="Best validation accuracy so far, by time on the GPU",
            description="rises",
            x_name="GPU time",
            y_name="best validation accuracy (%)",
            x=spent(max(points[-1][0] for points in found)),
            y=shares([value for points in found for _, value in points]),
            lines=tuple(
                lines.Line(label=name, points=points, paint=paint(place), dash=dash(place))
                for place, (name, points) in enumerate(zip(names, found, strict=True))
            ),
        )
    )


def accuracies(names: tuple[str, ...]) -> Picture:
    rows = []
    for place, name in enumerate(names):
        value = 0.865 + 0.008 * place
        rows.append(
            intervals.Row(
                label=name,
                paint=paint(place),
                estimates=(
                    # Somebody got every image right, of which only one side of the truth is known.
                    intervals.Estimate(value=1.0, low=0.98, high=None, said="100.0 (at least 98.0)")
                    if place == 1
                    else an_estimate(value, 0.028),
                    # An unfinished job has no test set yet.
                    an_estimate(value - 0.02, 0.031)
                    if place % 4 != 2
                    else intervals.Estimate(value=None, low=None, high=None, said="not evaluated yet"),
                ),
            )
        )
    ends = [end for row in rows for one in row.estimates for end in (one.low, one.high) if end is not None]
    return intervals.draw(
        intervals.Intervals(
            key="accuracy-intervals",
            title="Accuracy at the best epoch, with 95 % bootstrap intervals",
            description="intervals overlap",
            x_name="accuracy (%)",
            x=shares(ends),
            names=("validation", "test"),
            interval="95 % interval",
            rows=tuple(rows),
        )
    )


def an_estimate(value: float, half: float) -> intervals.Estimate:
    low, high = value - half, min(1.0, value + half)
    said = f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    return intervals.Estimate(value=value, low=low, high=high, said=said)


def confusion(classes: tuple[str, ...], *, model: int | None = 0) -> Picture:
    size = len(classes)
    rows = []
    for row in range(size):
        counts = [150 - 12 * row if row == column else 9 * abs(row - column) + column for column in range(size)]
        rows.append(
            tuple(
                heatmap.Cell(share=number / sum(counts), text=f"{number:,}", detail=percent(number / sum(counts)))
                for number in counts
            )
        )
    return heatmap.draw(
        heatmap.Heatmap(
            key="confusion-0",
            title="DenseNet121: confusion on the test set, best epoch 62",
            description="mostly right",
            row_names=classes,
            column_names=classes,
            cells=tuple(rows),
            rows_name="is",
            columns_name="judged as",
            paint=None if model is None else paint(model),
        )
    )


def pairs(names: tuple[str, ...]) -> Picture:
    def cell(row: int, column: int) -> heatmap.Cell:
        if row == column or (row + column) % 9 == 7:
            return heatmap.Cell(share=None, text="")
        gap = 0.8 * (row - column) + 0.1
        return heatmap.Cell(share=gap / 10, text=f"{gap:+.1f}".replace("-", "−"))

    order = range(len(names))
    return heatmap.draw(
        heatmap.Heatmap(
            key="pairs",
            title="Test accuracy of the row minus that of the column, in percentage points",
            description="differences",
            row_names=names,
            column_names=names,
            cells=tuple(tuple(cell(row, column) for column in order) for row in order),
        )
    )


def correlation() -> Picture:
    order = range(len(QUANTITIES))
    values = [
        [1.0 if row == column else math.cos(1.7 * row * column + row + column) for column in order] for row in order
    ]
    return heatmap.draw(
        heatmap.Heatmap(
            key="correlation",
            title="Spearman correlation over six models",
            description="correlations",
            row_names=QUANTITIES,
            column_names=QUANTITIES,
            cells=tuple(
                tuple(heatmap.Cell(share=value, text=f"{value:.2f}".replace("-", "−")) for value in row)
                for row in values
            ),
        )
    )


def calibration(names: tuple[str, ...]) -> Picture:
    panels = []
    for place, name in enumerate(names):
        found = tuple(
            reliability.Bin(
                confidence=0.35 + 0.065 * step,
                accuracy=min(1.0, 0.28 + 0.06 * step + 0.05 * math.sin(step + place)),
                count=4 + step**3 // 3,
            )
            for step in range(10)
        )
        has_any = place != 4
        panels.append(
            reliability.Panel(
                label=name,
                paint=paint(place),
                bins=found if has_any else (),
                ece=0.043 + 0.011 * place if has_any else 0.0,
            )
        )
    return reliability.draw(
        reliability.Reliability(
            key="reliability", title="Reliability on the test set", description="dots", panels=tuple(panels)
        )
    )


def days(names: tuple[str, ...], *, sessions: int, every_s: float, length_s: float = 2 * HOUR_S) -> Picture:
    blocks = []
    for number in range(sessions):
        start_s = START_S + every_s * number
        lasted_s = length_s * (1 if number % 3 else 0.55)
        last = number == sessions - 1
        ending = HowEnded.AT_WORK if last else HowEnded.LEFT if number % 3 else HowEnded.KILLED
        blocks.append(
            timeline.Block(start_s=start_s, end_s=start_s + lasted_s, ending=ending, said=f"session {number}")
        )
    gaps = [
        timeline.Gap(start_s=one.end_s, end_s=other.start_s, said="no machine")
        for one, other in pairwise(blocks)
        if other.start_s - one.end_s > HOUR_S
    ]
    rows = tuple(
        timeline.JobRow(
            label=name,
            paint=paint(place),
            blocks=tuple(blocks[place :: len(names)]),
            said=count(len(blocks[place :: len(names)]), "attempt"),
        )
        for place, name in enumerate(names)
    )
    worked_s = sum(block.end_s - block.start_s for block in blocks)
    return timeline.draw(
        timeline.Timeline(
            key="timeline",
            title="Sessions and what they worked on",
            description="days",
            start_s=START_S,
            end_s=blocks[-1].end_s,
            sessions=tuple(blocks),
            gaps=tuple(gaps),
            jobs=rows,
            sessions_said=f"{count(sessions, 'session')}, {duration(worked_s)}",
        )
    )


KINDS = (
    bars.Kind(name="useful", paint=paint(2)),
    bars.Kind(name="validate", paint=tint(paint(2), 0.5)),
    bars.Kind(name="stall", paint=paint(4)),
    bars.Kind(name="restart", paint=paint(0)),
    bars.Kind(name="lost", paint=paint(5)),
    bars.Kind(name="waiting", paint=tint(paint(7), 0.3)),
)


def time_split(names: tuple[str, ...]) -> Picture:
    found = []
    for place, name in enumerate(names):
        seconds = (
            1900.0 + 700 * place,
            210.0 + 40 * place,
            30.0,
            260.0,
            120.0 * (place % 3),
            90.0,
        )
        total_s = sum(seconds)
        found.append((name, seconds, total_s))
    return bars.draw(
        bars.Bars(
            key="total-time",
            title="Total time of each model and what it went into",
            description="bars",
            x_name="time on a machine",
            x=spent(max(total_s for _, _, total_s in found)),
            kinds=KINDS,
            bars=tuple(
                bars.Bar(
                    label=name,
                    said=duration(total_s),
                    pieces=seconds,
                    piece_titles=tuple(
                        f"{kind.name}: {duration(value)}" for kind, value in zip(KINDS, seconds, strict=True)
                    ),
                )
                for name, seconds, total_s in found
            ),
        )
    )


def held(names: tuple[str, ...]) -> Picture:
    ledgers = [
        {
            "boot": 60.0,
            "import": 20.0,
            "compile": 90.0,
            "train": 900.0 + 90 * place,
            "validate": 90.0,
            "lost": 40.0 * place,
        }
        for place, _ in enumerate(names)
    ]
    rows = [(name, goodput_of([ledger])) for name, ledger in zip(names, ledgers, strict=True)]
    return goodput_figure([("six-models, all of it", goodput_of(ledgers)), *rows, ("queued", goodput_of([]))])


def severities(names: tuple[str, ...]) -> Picture:
    values = [
        tuple(
            None if place == 3 and level == 2 else max(0.1, 0.97 - 0.01 * place - (0.05 + 0.011 * place) * level**1.3)
            for level in range(4)
        )
        for place, _ in enumerate(names)
    ]
    return profiles.draw(
        profiles.Profiles(
            key="severity",
            title="Test accuracy by severity of the degradation",
            description="falls",
            levels_name="severity",
            levels=("none or unknown", "mild", "moderate", "severe"),
            y_name="accuracy (%)",
            y=shares([value for row in values for value in row if value is not None]),
            profiles=tuple(
                profiles.Profile(label=name, paint=paint(place), values=row, dash=dash(place))
                for place, (name, row) in enumerate(zip(names, values, strict=True))
            ),
        )
    )


def contact_sheet() -> Iterator[tuple[str, Picture]]:
    """Yield every picture to look at, with a name for its file."""
    worlds = {"six": (SIX, 100), "one": (SIX[:1], 100), "twelve": (TWELVE, 300), "long": (LONG, 100), "start": (SIX, 1)}
    for world, (names, epochs) in worlds.items():
        for picture in every_picture(names, epochs=epochs):
            yield f"{world}-{picture.key}", picture
    yield "long-confusion", confusion(LONG_CLASSES, model=None)
    yield "short-timeline", days(SIX[:1], sessions=1, every_s=DAY_S, length_s=3 * MINUTE_S)
    yield "week-timeline", days(SIX, sessions=7, every_s=26 * HOUR_S)


def as_page(pictures: Sequence[Picture]) -> str:
    """Return all pictures on one page, as a report shows them."""
    viewport = tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    figures = [tag("figure", picture.svg, tag("figcaption", picture.title)) for picture in pictures]
    head = tag("head", tag("meta", charset="utf-8"), viewport, style())
    body = tag("body", tag("main", tag("div", figures, class_="charts")))
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sheet = dict(contact_sheet())
    (folder / "gallery.html").write_text(as_page(list(sheet.values())), encoding="utf-8")
    for name, picture in sheet.items():
        for light, colours in (("light", LIGHT), ("dark", DARK)):
            file = standalone(picture, colours)
            (folder / f"{name}.{light}.svg").write_text(file, encoding="utf-8")
            (folder / f"{name}.{light}.png").write_bytes(to_png(file))
