"""The block says all that a person wants to know, in HTML and in plain text, and nothing of it is markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from qcqueue.errors import StoreBusy
from qcqueue.notebook.block import BlockContent, html_of, text_of
from qcqueue.worker.view import Transfer
from tests.engines.worlds import a_record
from tests.notebook.views import NOW_S, TESLA, a_view, an_epoch, progress

HOSTILE = '<script>alert("1")</script> & <b>'


def a_picture(**changes: Any) -> BlockContent:
    picture = BlockContent(
        store="gdrive:1AbC", machine=TESLA, view=a_view(), news=(), closing=(), urgent=(), now_s=NOW_S
    )
    return replace(picture, **changes)


class Reader(HTMLParser):
    """What a browser would show of a page, and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.lines: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.lines.append(data)


def test_it_shows_hardware_where_it_goes_on_progress_what_is_safe_and_what_is_not() -> None:
    assert text_of(a_picture()).splitlines() == [
        "qcqueue  gdrive:1AbC",
        "machine  Tesla T4, 2 threads",
        "job      six-models/vgg16, attempt 4, goes on after epoch 1",
        "now      training · epoch 3 of 100 · step 34 of 69 · loss 0.432, accuracy 87.5 % · 41.0 s an epoch",
        "safe     epoch 2, confirmed on Drive 3 min ago",
        "at risk  34 steps, about 20.2 s",
        "left     about 1 h 07 min of this job",
    ]


def test_it_shows_what_was_learned_what_is_left_and_what_comes_then() -> None:
    view = a_view(
        history=tuple(an_epoch(epoch, val_accuracy=share) for epoch, share in ((1, 0.5), (2, 0.75), (3, 0.625))),
        ahead=("six-models/xception", "six-models/resnet", "six-models/dense", "other/a", "other/b"),
        foreseen=("six-models is likely done by Friday",),
    )
    shown = text_of(a_picture(view=view)).splitlines()
    assert "learned  validation accuracy 62.5 %, best 75.0 % after epoch 2" in shown
    assert "left     about 1 h 07 min of this job; six-models is likely done by Friday" in shown
    assert "then     six-models/xception, six-models/resnet, six-models/dense and 2 more jobs" in shown
    [points] = re.findall(r'points="([^"]*)"', html_of(a_picture(view=view)))
    assert points == "0,23 84,1 168,12"


def test_a_long_curve_is_drawn_with_few_points_up_to_its_newest() -> None:
    history = tuple(an_epoch(epoch, val_accuracy=epoch / 1000) for epoch in range(1, 302))
    [points] = re.findall(r'points="([^"]*)"', html_of(a_picture(view=a_view(history=history))))
    assert len(points.split()) <= 100
    assert points.endswith("168,1")
    level = tuple(an_epoch(epoch, val_accuracy=0.5) for epoch in (1, 2))
    assert 'points="0,23 168,23"' in html_of(a_picture(view=a_view(history=level)))


def test_values_that_no_curve_has_room_for_are_left_out() -> None:
    shares = (float("nan"), 0.0, 5e-324, float("inf"), 0.0)
    history = tuple(an_epoch(epoch, val_accuracy=share) for epoch, share in enumerate(shares, 1))
    page = html_of(a_picture(view=a_view(history=history)))
    [points] = re.findall(r'points="([^"]*)"', page)
    assert points == "0,23 84,23 168,23"
    assert "best 0.0 % after epoch" in page


def test_before_an_epoch_is_measured_the_time_at_risk_is_known_by_its_steps() -> None:
    view = a_view(epoch_s=None, progress=replace(progress(), step_s=6.0), history=())
    shown = text_of(a_picture(view=view)).splitlines()
    assert "at risk  34 steps, about 3 min 24 s" in shown
    assert not [line for line in shown if line.startswith(("left", "then", "learned"))]


def test_what_is_only_written_is_told_from_what_is_confirmed() -> None:
    shown = text_of(a_picture(view=a_view(written=a_record(epochs_done=3))))
    assert "written  epoch 3, on this machine's disk, not yet confirmed on Drive" in shown
    assert "safe     epoch 2, confirmed on Drive 3 min ago" in shown


def test_before_the_first_save_nothing_is_safe() -> None:
    assert "safe     nothing yet" in text_of(a_picture(view=a_view(saved=None)))


def test_a_transfer_shows_how_far_it_is() -> None:
    view = a_view(transfer=Transfer(moved_bytes=120_000_000, size_bytes=650_000_000))
    assert "moving   120 MB of 650 MB" in text_of(a_picture(view=view))
    assert "width:18%" in html_of(a_picture(view=view))


def test_a_full_store_is_said_with_what_to_do() -> None:
    view = a_view(waiting_for=StoreBusy("Drive is full", hint="make room at drive.google.com"))
    assert "saving waits  Drive is full; make room at drive.google.com" in text_of(a_picture(view=view))


def test_a_machine_without_a_gpu_is_called_that() -> None:
    picture = a_picture(machine=replace(TESLA, processor="AMD EPYC", has_gpu=False), view=None)
    assert "machine  AMD EPYC, 2 threads, no GPU" in text_of(picture)


@pytest.mark.parametrize(
    "picture",
    [
        a_picture(news=(HOSTILE, "b"), closing=(HOSTILE,), urgent=(HOSTILE,), store=HOSTILE),
        a_picture(view=a_view(job_name=HOSTILE, resumed=HOSTILE, waiting_for=StoreBusy(HOSTILE, hint=HOSTILE))),
        a_picture(machine=replace(TESLA, processor=HOSTILE), view=a_view(progress=progress(step=80))),
        a_picture(view=a_view(ahead=(HOSTILE,), foreseen=(HOSTILE,), history=(an_epoch(1), an_epoch(2)))),
        a_picture(machine=None, view=None),
    ],
)
def test_both_forms_say_the_same_and_no_text_becomes_markup(picture: BlockContent) -> None:
    read = Reader(html_of(picture))
    assert read.tags <= {"div", "table", "tr", "td", "span", "svg", "polyline"}
    plain = [part for line in text_of(picture).splitlines() for part in line.split("  ") if part.strip()]
    assert [line.strip() for line in read.lines] == [part.strip() for part in plain]


def test_it_brings_no_colour_and_no_script_of_its_own() -> None:
    page = html_of(a_picture())
    assert "#" not in page
    assert "rgb" not in page
    assert "script" not in page
