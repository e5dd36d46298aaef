"""The page has contents, numbers that rise, one table in every order, a paragraph to paste, and its operations last."""

import re
from dataclasses import replace
from html import unescape

import pytest

from qcqueue.core.states import State
from qcqueue.queue.sessions import accounts_of
from qcqueue.reports.page.methods import citation, sentences_on
from qcqueue.reports.page.models import MOST_OPEN
from qcqueue.reports.page.results import TERMS
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.tables.article import ORDERS, in_order, models_table
from tests.reports.pages import page_of
from tests.reports.quantities.answers import an_answered_study
from tests.reports.studies import SIX, a_dataset, a_job, a_proof, a_spec, epochs_of, some_sessions, the_study


def full() -> ReportInput:
    sessions = tuple(some_sessions())
    study = an_answered_study(SIX[:3], epochs=12)
    return replace(
        study,
        datasets=(a_dataset(),),
        sessions=sessions,
        accounts=accounts_of(sessions),
        proofs=(a_proof(),),
        version="1.2.3",
    )


def numbers(page: str, kind: str) -> list[int]:
    """Return the numbers of figures or tables in the order of the page, each once."""
    found = re.findall(rf'<(?:figcaption><span class="figure-head"|caption><span)>{kind} (\d+)\. ', page)
    return list(dict.fromkeys(map(int, found)))


@pytest.mark.parametrize("kind", ["Table", "Figure"])
def test_figures_and_tables_are_numbered_in_the_order_of_the_page(kind: str) -> None:
    found = numbers(page_of(full(), with_figures=kind == "Figure"), kind)
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 5


def test_the_contents_lead_to_every_part_in_its_order_and_to_every_figure_and_table() -> None:
    page = page_of(full())
    contents = page[page.index("<nav") : page.index("</nav>")]
    parts = re.findall(r'<section id="([a-z-]+)"', page[page.index("</header>") :])
    linked = re.findall(r'href="#([a-z0-9-]+)"', contents)
    assert [anchor for anchor in linked if anchor in parts] == parts
    assert parts[0] == "models"
    assert parts[-1] == "operations"
    captions = re.findall(r">((?:Table|Figure) \d+)\. ", contents)
    assert {f"Table {number}" for number in numbers(page, "Table")} <= set(captions)


def test_the_table_of_the_models_is_there_in_every_order_and_shows_the_one_of_the_study_first() -> None:
    findings = findings_of(full())
    table = models_table(findings)
    page = page_of(full())
    for order in ORDERS:
        place = [column.key for column in table.columns].index(order.column)
        values = [row[place] for row in in_order(table, order).rows]
        assert sorted(map(str, values)) == sorted(str(row[place]) for row in table.rows)
        if order.column != "job":
            is_falling = order.said.startswith("highest")
            assert values == sorted(values, reverse=is_falling)  # type: ignore[type-var]  # all are numbers here
        assert page.count(f'href="#models-by-{order.key}"') == len(ORDERS)
        assert page.count(f'id="models-by-{order.key}"') == 1
    assert re.findall(r'<div id="models-by-([a-z0-9-]+)" class="order usual"', page) == ["job"]


def test_what_is_not_known_comes_last_in_every_order() -> None:
    study = full()
    waits = a_job(a_spec("Xception", name="waits"), state=State.QUEUED)
    findings = findings_of(replace(study, details=(waits, *study.details)))
    for order in ORDERS[1:]:
        assert in_order(models_table(findings), order).rows[-1][0] == "six-models/waits"


def test_every_word_of_time_is_defined_once() -> None:
    page = page_of(full())
    for word, _ in TERMS:
        assert page.count(f"<dt>{word}</dt>") == (2 if word == "Total time" else 1), "a tile sums it up as well"
    for private in ("judges", "rightly", "misjudge", "surest", "Time in training", "time in training", "said to be"):
        assert private not in page


def test_the_methods_say_data_models_settings_machines_interruptions_and_proof() -> None:
    said = " ".join(sentences_on(findings_of(full())))
    for part in (
        "The dataset qc-images (synthetic degradations, not clinical data) holds 3,236 images of 75×75 pixels in 3",
        "DenseNet121, VGG16 and ResNet50V2 were trained with 12 epochs, a batch size of 32, the optimizer adam, a",
        "imagenet weights",
        "seed 1 each.",
        "the model was chosen by validation accuracy. The test images chose nothing",
        "McNemar's exact test with Holm's correction",
        "Training ran on Tesla T4 with TensorFlow 2.19.0, Keras 3.10.0 and Python 3.12.1.",
        "qcqueue ran the jobs in 2 sessions, and none was interrupted.",
        "All runs used deterministic operations",
        "the job six-models/densenet121, killed 2 times, gave the same bits as undisturbed (certificate: SHA-256 1111",
    ):
        assert part in said


def test_settings_that_differ_are_told_job_by_job() -> None:
    jobs = [a_job(a_spec("VGG16"), epochs_of(3)), a_job(a_spec("Xception", learning_rate=1e-3), epochs_of(3))]
    said = " ".join(sentences_on(findings_of(the_study(jobs))))
    assert "They differed: VGG16 with a learning rate of 0.0001; Xception with a learning rate of 0.001." in said


def test_of_a_model_of_ones_own_nothing_is_said_that_its_code_has_settled() -> None:
    own = a_spec("mine.py:build", name="mine", code_sha256="ab" * 32)
    said = " ".join(sentences_on(findings_of(the_study([a_job(own, epochs_of(3))]))))
    assert f"optimizer, loss and layers as its function has compiled them (code {'ab' * 32})" in said
    for word in ("adam", "learning rate", "all layers trainable", "no dropout", "no augmentation"):
        assert word not in said
    both = " ".join(
        sentences_on(findings_of(the_study([a_job(own, epochs_of(3)), a_job(a_spec("VGG16"), epochs_of(3))])))
    )
    assert "They differed: mine.py:build with optimizer, loss and layers as its function" in both
    assert "VGG16 with the optimizer adam" in both


def test_a_precision_is_said_where_it_is_another() -> None:
    jobs = [a_job(a_spec("VGG16"), epochs_of(3)), a_job(a_spec("Xception", precision="mixed_float16"), epochs_of(3))]
    said = " ".join(sentences_on(findings_of(the_study(jobs))))
    assert "They differed: VGG16 with float32 precision; Xception with mixed_float16 precision." in said


def test_a_run_that_moved_to_another_machine_is_not_called_exact() -> None:
    said = " ".join(sentences_on(findings_of(the_study())))
    assert "The runs of ResNet50V2 are complete, but not bit for bit what one machine alone would have given." in said


def test_the_citation_names_the_version() -> None:
    assert citation(findings_of(full())).endswith(", version 1.2.3.")
    assert citation(findings_of(the_study())).endswith("quota-limited GPUs.")


def test_many_models_are_folded_in_groups_by_study() -> None:
    jobs = [
        a_job(a_spec("VGG16", name=f"m{number}", study=f"study-{number % 2}"), epochs_of(2))
        for number in range(MOST_OPEN + 2)
    ]
    page = page_of(the_study(jobs))
    for study in ("study-0", "study-1"):
        assert f"<summary>{study}: {len(jobs) // 2} jobs</summary>" in unescape(page)
    few = page_of(the_study(jobs[:4]))
    assert "<strong>study-0: 2 jobs</strong>" in few
