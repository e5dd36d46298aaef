"""The page says what there is, marks what touches it, and cannot be turned by a hostile name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from qcqueue.core.states import State
from qcqueue.queue.sessions import Accounts, accounts_of
from qcqueue.queue.values import DatasetLine, JobDetail
from qcqueue.reports.figures.registry import figures_of
from qcqueue.reports.page.evidence import MOST_SHOWN
from qcqueue.reports.page.page import CONTENT_POLICY
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import Proof
from tests.reports.pages import page_of
from tests.reports.studies import (
    CLASSES,
    a_dataset,
    a_job,
    a_proof,
    a_spec,
    a_study,
    epochs_of,
    some_sessions,
    the_study,
)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title><h1>owned</h1>",
    "</style><style>body{display:none}",
    "</table></main><iframe src=//evil>",
    "<!-- ",
    "-->",
    "]]>",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "x\x00y",
    "x\u202ey",
    "{{7*7}}",
    "a" * 500,
    "Ω 日本 🙂",
]


class Reader(HTMLParser):
    """Counts elements and attributes, collects text, and checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[name] += 1
        self.attributes.update(key for key, _ in attributes)
        self.references += [value or "" for key, value in attributes if key in ("href", "src")]
        self.ids += [value or "" for key, value in attributes if key == "id"]
        if name not in ("img", "meta"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, text: str) -> None:
        self.texts.append(text)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def page_on(
    details: Sequence[JobDetail],
    *,
    datasets: Sequence[DatasetLine] = (),
    proofs: Sequence[Proof] = (),
    accounts: Accounts | None = None,
    with_figures: bool = False,
) -> str:
    study = the_study(details, datasets=tuple(datasets), proofs=tuple(proofs), accounts=accounts)
    return page_of(study, with_figures=with_figures)


def words(page: str) -> str:
    return " ".join(read(page).texts)


def test_it_asks_nothing_of_the_network_and_holds_no_script() -> None:
    page = page_on(a_study(), datasets=[a_dataset()], proofs=[a_proof()])
    reader = read(page)
    assert f'http-equiv="Content-Security-Policy" content="{CONTENT_POLICY.replace(chr(39), "&#x27;")}"' in page
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(reader.elements)
    assert not [name for name in reader.attributes if name.startswith("on")]
    assert all(reference.startswith("#") for reference in reader.references)
    assert "url(" not in page
    assert "@import" not in page


def test_every_link_leads_somewhere_and_no_id_is_given_twice() -> None:
    reader = read(page_on(a_study(), datasets=[a_dataset()]))
    assert len(set(reader.ids)) == len(reader.ids)
    assert {reference.removeprefix("#") for reference in reader.references} <= set(reader.ids)


def test_the_same_values_give_the_same_bytes() -> None:
    assert page_on(a_study(), datasets=[a_dataset()]) == page_on(a_study(), datasets=[a_dataset()])


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_zone_of_the_machine_changes_nothing(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    before = page_on(a_study())
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        assert page_on(a_study()) == before
    time.tzset()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_makes_no_new_element(name: str) -> None:
    tame, hostile = (
        read(page_on([_named(text)], datasets=[_set(text)], proofs=[_shown(text)])) for text in ("x", name)
    )
    assert hostile.elements == tame.elements
    assert hostile.attributes == tame.attributes
    page_on([_named(name)]).encode("utf-8")


def test_an_empty_queue_says_what_to_type() -> None:
    said = words(page_on([]))
    assert "no job in this queue" in said
    assert "qcqueue new six-models --out six-models.toml" in said


def test_a_cancelled_job_is_in_no_title_and_in_no_count() -> None:
    given_up = a_job(a_spec(study="first-try", name="vgg16"), epochs_of(2), state=State.CANCELLED)
    waits = a_job(a_spec(), epochs_of(3), state=State.QUEUED)
    said = words(page_on([given_up, waits]))
    assert "Report on six-models " in said
    assert "Jobs done 0 of 1 Epochs saved 3 of 100" in said
    assert "1 job of 1 not finished" in said
    assert "1 job cancelled, and in no count. first-try/vgg16 is cancelled" in said
    assert "Report on first-try" in words(page_on([given_up]))


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (State.QUEUED, "qcqueue work"),
        (State.RUNNING, "qcqueue status --watch"),
        (State.HELD, "qcqueue release six-models/vgg16"),
        (State.FAILED, "qcqueue why six-models/vgg16"),
        (State.CANCELLED, "qcqueue retry six-models/vgg16"),
    ],
)
@pytest.mark.parametrize("trained", [0, 1, 7])
def test_an_unfinished_job_says_what_is_missing(state: State, command: str, trained: int) -> None:
    said = words(page_on([a_job(a_spec(), epochs_of(trained), state=state)]))
    assert "What is missing" in said
    assert command in said
    assert f"{trained} of 100" in said
    assert "Confusion matrices follow the final evaluation" in said


def test_a_failed_job_says_why_and_the_remedy() -> None:
    said = words(page_on([a_job(a_spec(), epochs_of(3), state=State.FAILED)]))
    assert "the loss of epoch 4 is no longer a number" in said
    assert "smaller learning_rate" in said


def test_a_finished_study_misses_nothing_and_shows_every_quantity() -> None:
    detail = a_job(a_spec(), epochs_of(100, cuts=(17, 60)))
    assert detail.result is not None
    said = words(page_on([detail], datasets=[a_dataset()]))
    assert "What is missing" not in said
    for shown in ("Tesla T4", "14,716,227", "14,700,000", "41 ms", "49 ms", "100 of 100"):
        assert shown in said
    for appraisal in (detail.result.best, detail.result.last):
        assert f"{100 * appraisal.validation.accuracy:.1f} %" in said
        assert f"{100 * appraisal.test.accuracy:.1f} %" in said
        for name in CLASSES:
            assert f"{appraisal.test.per_class[name].f1:.3f}" in said
        for row in appraisal.validation.confusion_matrix:
            assert all(str(images) in said for images in row)


def test_a_setting_that_few_jobs_have_is_said_where_a_job_has_it() -> None:
    for lineage, said in (("any", "seed 1."), ("same", "seed 1, lineage same.")):
        assert said in words(page_on([a_job(a_spec(lineage=lineage), epochs_of(1))]))


def test_every_interruption_is_listed_with_when_and_why() -> None:
    reader = read(page_on([a_job(a_spec(), epochs_of(20, cuts=(3, 7, 11)))]))
    assert reader.texts.count("interrupted") == 2 * 3, "among all attempts, and with the model"
    assert reader.texts.count("no heartbeat for 120 s, and the process is gone") == 3
    assert "21 Nov 2025 07:26" in reader.texts


def test_a_note_stands_at_each_number_it_touches() -> None:
    page = page_on([a_job(a_spec("VGG16"), epochs_of(3), state=State.RUNNING), a_job(a_spec("Xception"), epochs_of(3))])
    [number] = [mark for mark in range(1, 9) if f'<li id="note-{mark}">six-models/vgg16 is not finished' in page]
    assert f'–<sup><a href="#note-{number}"' in page
    assert f'<td>3<sup><a href="#note-{number}"' in page


def test_a_doubt_about_a_finished_model_stands_at_its_classes_too() -> None:
    page = page_on(
        [a_job(a_spec("VGG16", determinism="relaxed"), epochs_of(3)), a_job(a_spec("Xception"), epochs_of(3))]
    )
    [number] = [
        mark for mark in range(1, 9) if f'<li id="note-{mark}">six-models/vgg16 was trained with relaxed' in page
    ]
    by_class = page[page.index("Model by model</h2>") :]
    assert f'VGG16<sup><a href="#note-{number}"' in by_class


def test_a_proof_shows_its_verdict_its_kills_and_what_differs() -> None:
    said = words(page_on(a_study(), proofs=[a_proof()]))
    assert "EQUAL" in said
    assert "inside a checkpoint, after 31.0 s" in said
    differs = a_proof(is_equal=False, cut={"weights": "9" * 64, "history": "2" * 64})
    said = words(page_on(a_study(), proofs=[differs]))
    assert "DIFFERENT" in said
    assert "9" * 64 in said
    assert "missing" in said


def test_of_many_kills_it_shows_how_often_each_moment_was_hit() -> None:
    kills = tuple(f"between steps, after {at}.0 s" for at in range(MOST_SHOWN + 1))
    page = page_on(a_study(), proofs=[a_proof(kills=kills, kills_by_moment={"between steps": len(kills)})])
    assert f"between steps: {len(kills)}" in words(page)
    assert read(page).texts.count("Each kill") == 1
    assert all(kill in page for kill in kills)


def test_a_proof_says_how_it_was_made_and_of_what_it_is_none() -> None:
    said = words(page_on(a_study(), proofs=[a_proof(facts=("Made in May.",), warning="This is another job.")]))
    assert "Made in May." in said
    assert "This is another job." in said


def test_where_the_time_went_stands_by_study_and_job_with_what_is_not_known_of_it() -> None:
    page = page_on(a_study(), accounts=accounts_of(some_sessions()), with_figures=True)
    said = words(page)
    section = page[page.index("<h3>Held time") : page.index("<h3>Sessions and attempts")]
    assert section.index("six-models, all of it") < section.index("six-models/densenet121")
    assert "goodput 80.0 % of 55 min 00 s" in said
    assert "goodput 84.6 % of 52 min 00 s" in said
    assert "an upper bound" in said
    assert "lost in the session that trained it" in said
    assert "six-models/xception" not in section, "no machine was held for it"
    reader = read(page)
    assert len(set(reader.ids)) == len(reader.ids)


def test_where_nobody_wrote_down_the_time_nothing_is_said_of_it() -> None:
    before = page_on(a_study())
    assert "<h3>Held time" not in before
    assert page_on(a_study(), accounts=accounts_of([])) == before


def test_twelve_models_of_300_epochs_stay_small() -> None:
    study = [
        a_job(a_spec(name=f"m{seed}", epochs=300), epochs_of(300, cuts=range(9, 300, 9), seed=seed))
        for seed in range(12)
    ]
    assert len(page_on(study).encode()) < 3_000_000


def _named(text: str) -> JobDetail:
    """A job in which everything that has a name has this one."""
    spec = a_spec(model=text, name=text, study=text, dataset=text)
    detail = a_job(spec, epochs_of(4, cuts=(2,)), classes=[f"{text}{place}" for place in range(3)])
    return replace(
        detail,
        attempts=tuple(replace(attempt, session_id=text, host=text, reason=text) for attempt in detail.attempts),
        epochs=tuple(replace(row, identity=replace(row.identity, processor=text)) for row in detail.epochs),
        history=tuple(replace(line, what=text, why=text, who=text) for line in detail.history),
    )


def _set(text: str) -> DatasetLine:
    line = a_dataset(classes=(text, text), note=text, attribution=text, source=text)
    return replace(line, name=text)


def _shown(text: str) -> Proof:
    return a_proof(
        job=text,
        ran_on=text,
        kills=(text,) * (MOST_SHOWN + 1),
        undisturbed={text: text},
        cut={text: text},
        kills_by_moment={text: MOST_SHOWN + 1},
        facts=(text,),
        warning=text,
    )


def test_a_picture_bears_the_notes_on_what_it_shows() -> None:
    findings = findings_of(the_study())
    relaxed = next(note.number for note in findings.notes if "relaxed" in note.text)
    notes = {figure.name: figure.notes for figure in figures_of(findings)}
    assert relaxed in notes["accuracy-by-epoch"]
    place = [model.name for model in findings.models].index("six-models/resnet50v2") + 1
    assert relaxed in notes[f"model-{place:02d}-curves"]
    assert relaxed not in notes["model-01-curves"]
    page = page_of(the_study(), with_figures=True)
    caption = page[page.index("Validation accuracy by epoch, all models<sup>") :].partition("</figcaption>")[0]
    assert f'href="#note-{relaxed}"' in caption
