"""Every quantity of a report, recomputed from raw predictions and epoch rows by other means than ours.

The study is real: six models of the article, trained at toy size by `qcqueue demo`, killed again and again, and kept in
`tests/golden` as its sessions left it. Nothing of qcqueue computes here, it only words a number as the page does: rows
come from SQLite, answers from safetensors, numbers from numpy, scikit-learn and scipy; the report is what the command
has written.
"""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from qcqueue.text.humanize import duration
from tests.reports.recomputed import check_accuracies, check_rates, check_scores, choice_by, differing

FINISHED = Path(__file__).parents[1] / "golden" / "six-models.zip"
SPLITS = {"validation": 1, "test": 2}
NUMBER = re.compile(r"^(Table|Figure) \d+\. ")
PARTS = {
    "useful": ["train"],
    "validate": ["validate"],
    "stall": ["stall"],
    "restart": ["boot", "install", "import", "download", "data", "restore", "compile"],
    "lost": ["lost", "redone"],
    "waiting": ["contention", "upload_tail", "idle", "release"],
}


@dataclass(frozen=True)
class Job:
    """One job as it lies in the queue: rows of the epochs that count, the stored result, and its answers."""

    name: str
    rows: tuple[sqlite3.Row, ...]
    result: Mapping[str, Any]
    answers: Mapping[str, Any]
    seconds: dict[str, float]

    def column(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if row[name] is not None]

    @property
    def epoch_s(self) -> list[float]:
        return [row["train_s"] + row["val_s"] for row in self.rows]

    @property
    def total_s(self) -> float:
        return float(sum(row["train_s"] + row["val_s"] + row["checkpoint_s"] for row in self.rows))

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self.column("val_loss"))) + 1

    def test_macro_f1(self, study: "Study") -> float:
        from sklearn.metrics import f1_score

        predicted = self.answers["best/test"].argmax(axis=1)
        return float(f1_score(study.labels["test"], predicted, average="macro", zero_division=0))

    @property
    def series(self) -> Iterator[tuple[str, str]]:
        for key in self.answers:
            weights, split = key.split("/")
            yield weights, split


@dataclass(frozen=True)
class Study:
    jobs: tuple[Job, ...]
    classes: tuple[str, ...]
    labels: Mapping[str, Any]
    severities: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    folder: Path
    document: Mapping[str, Any]
    tables: Mapping[str, list[list[str]]]
    """Of the page: rows of texts by the caption of the table."""
    pictures: Mapping[str, list[str]]
    """Of the page: the words in a picture by its title."""
    matrices: list[list[list[str]]]
    """Of the page: the rows of each confusion matrix, in the order of the page."""
    page: str

    def rows(self, table: str) -> list[dict[str, str]]:
        with (self.folder / "tables" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def both(self, table: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Yield each row of a table as CSV and as JSON have it, after checking that both have the same rows."""
        said = self.document["tables"][table]["rows"]
        yield from zip(self.rows(table), said, strict=True)


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("six-models")
    with zipfile.ZipFile(FINISHED) as archive:
        archive.extractall(folder)
    return folder / "queue"


@pytest.fixture(scope="module")
def study(queue: Path) -> Study:
    database = sqlite3.connect(queue / "queue.sqlite")
    database.row_factory = sqlite3.Row
    jobs = []
    for row in database.execute("SELECT * FROM jobs ORDER BY id"):
        found = database.execute("SELECT * FROM results WHERE job_id = ?", [row["id"]]).fetchone()
        seconds: dict[str, float] = defaultdict(float)
        for (ledger,) in database.execute("SELECT seconds FROM attempts WHERE job_id = ?", [row["id"]]):
            for name, value in json.loads(ledger).items():
                seconds[name] += value
        rows = database.execute("SELECT * FROM epochs WHERE job_id = ? AND official ORDER BY epoch", [row["id"]])
        jobs.append(
            Job(
                name=row["name"],
                rows=tuple(rows),
                result=json.loads(found["result"]),
                answers=load_file(blob(queue, found["predictions_sha256"])),
                seconds=seconds,
            )
        )
    by_id = {row["id"]: job for row, job in zip(database.execute("SELECT id FROM jobs ORDER BY id"), jobs, strict=True)}
    for session in database.execute("SELECT * FROM sessions WHERE ended_at_s IS NULL").fetchall():
        # It vanished. What it was seen to live after its last commit is lost, and is the job's that it worked on last.
        ledgers = database.execute(
            "SELECT * FROM attempts WHERE session_id = ? ORDER BY id", [session["id"]]
        ).fetchall()
        if ledgers:
            told = [json.loads(row["seconds"]) for row in ledgers]
            told.append(
                {k: v for k, v in json.loads(session["seconds"]).items() if k not in ("boot", "install", "idle")}
            )
            lived_s = session["seen_at_s"] - session["started_at_s"]
            unaccounted_s = max(0.0, lived_s - sum(sum(ledger.values()) for ledger in told))
            by_id[ledgers[-1]["job_id"]].seconds["lost"] += unaccounted_s
    (dataset,) = database.execute("SELECT * FROM datasets").fetchall()
    data = load_file(blob(queue, dataset["sha256"]))
    database.close()
    chosen = {split: data["splits"] == number for split, number in SPLITS.items()}
    return Study(
        jobs=tuple(jobs),
        classes=tuple(json.loads(dataset["summary"])["classes"]),
        labels={split: data["labels"][mask] for split, mask in chosen.items()},
        severities={split: data["severities"][mask] for split, mask in chosen.items()},
    )


@pytest.fixture(scope="module")
def report(queue: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("written")
    subprocess.run(
        [sys.executable, "-m", "qcqueue", "report", "--store", f"folder:{queue}", "--out", str(folder / "report")],
        check=True,
        capture_output=True,
        env={**os.environ, "QCQUEUE_CACHE": str(folder / "cache")},
        cwd=folder,
    )
    reader = Reader()
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    reader.feed(page)
    document = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    return Report(
        folder=folder / "report",
        document=document,
        tables=reader.tables,
        pictures=reader.pictures,
        matrices=reader.matrices,
        page=page,
    )


class Reader(HTMLParser):
    """Collects the cells of tables by caption, and the words of pictures by title. Marks of notes are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.pictures: dict[str, list[str]] = {}
        self.matrices: list[list[list[str]]] = []
        self._open: list[str] = []
        self._caption = self._title = ""
        self._rows: list[list[str]] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        if name in ("img", "meta"):
            return
        self._open.append("detail" if ("class", "detail") in attributes else name)
        if name == "table":
            self._caption, self._rows = "", []
        elif name == "tr":
            self._rows.append([])
        elif name in ("td", "th") and self._rows:
            self._rows[-1].append("")
        elif name == "svg":
            self._title = ""

    def handle_endtag(self, name: str) -> None:
        if name in ("img", "meta"):
            return
        self._open.pop()
        if name == "table":
            self.tables[self._caption] = self._rows
            if self._caption.startswith(("Validation: accuracy ", "Test: accuracy ")):
                self.matrices.append(self._rows)
            self._rows = []

    def handle_data(self, text: str) -> None:
        if "svg" in self._open:
            if self._open[-1] == "title" and not self._title:
                self._title = text
                self.pictures[text] = []
            elif self._open[-1] == "text":
                self.pictures[self._title].append(text)
        elif "caption" in self._open:
            # The number of a table is its place on the page, and no part of what it is called.
            self._caption += NUMBER.sub("", text)
        elif self._open and self._rows and self._rows[-1] and not {"sup", "detail"} & set(self._open):
            self._rows[-1][-1] += text


def blob(queue: Path, sha256: str) -> Path:
    (found,) = (path for path in queue.rglob(f"{sha256}*") if path.is_file())
    return found


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def same(written: str, value: float | None) -> bool:
    """Say whether a cell of a spreadsheet is a number, to the last bits of its arithmetic."""
    return written == "" if value is None else float(written) == pytest.approx(value, rel=1e-12, abs=1e-15)


def test_the_study_is_six_real_models_and_was_cut_by_kills(study: Study, report: Report) -> None:
    models = ["DenseNet121", "VGG16", "ResNet50V2", "InceptionV3", "Xception", "InceptionResNetV2"]
    assert sorted(job.name for job in study.jobs) == sorted(f"tiny/{model.lower()}" for model in models)
    assert sum(int(row["interruptions"]) for row in report.rows("quality")) >= len(models)
    assert all(row["state"] == "done" for row in report.rows("quality"))


def test_a_processors_by_model_and_segment(study: Study, report: Report) -> None:
    page = report.tables["Parameters and times"]
    for place, (job, (written, stored)) in enumerate(zip(study.jobs, report.both("cost"), strict=True)):
        processors = {json.loads(row["identity"])["processor"] for row in job.rows}
        assert {written["processor"]} == {stored["processor"]} == processors == {page[2 + place][1]}
        segments = [row for row in report.rows("segments") if row["job"] == job.name and row["epochs"]]
        assert {row["processor"] for row in segments} == processors


def test_b_times_per_step_and_epoch(study: Study, report: Report) -> None:
    page = report.tables["Parameters and times"]
    for place, (job, (written, stored)) in enumerate(zip(study.jobs, report.both("cost"), strict=True)):
        expected = {
            "step_s_p50": np.median(job.column("step_s_p50")),
            "step_s_p95": np.median(job.column("step_s_p95")),
            "epoch_s_p50": np.median(job.epoch_s),
            "epoch_s_p5": np.percentile(job.epoch_s, 5),
            "epoch_s_p95": np.percentile(job.epoch_s, 95),
        }
        for key, value in expected.items():
            assert same(written[key], float(value)), key
            assert stored[key] == pytest.approx(float(value), rel=1e-12), key
        assert {duration(float(value)) for value in expected.values()} <= set(page[2 + place]), "and people read it too"
    for job, (written, _) in zip(study.jobs, report.both("time"), strict=True):
        assert same(written["first_steps_s"], sum(job.column("first_step_s")))


def test_c_parameters(study: Study, report: Report) -> None:
    page = report.tables["Parameters and times"]
    for place, (job, (written, stored)) in enumerate(zip(study.jobs, report.both("cost"), strict=True)):
        for key in ("parameters", "trainable_parameters"):
            assert int(written[key]) == stored[key] == job.result[key]
            assert f"{job.result[key]:,}" in page[2 + place]


def test_d_total_time_and_what_it_went_into(study: Study, report: Report) -> None:
    for job, (written, stored) in zip(study.jobs, report.both("cost"), strict=True):
        assert same(written["total_s"], job.total_s)
        assert stored["total_s"] == pytest.approx(job.total_s)
    for job, (written, stored) in zip(study.jobs, report.both("total-time"), strict=True):
        for purpose, parts in PARTS.items():
            expected = sum(job.seconds.get(part, 0.0) for part in parts)
            assert float(written[f"{purpose}_s"]) == pytest.approx(expected, abs=1e-6), purpose
            assert stored[f"{purpose}_s"] == pytest.approx(expected, abs=1e-6), purpose
        assert sum(float(written[f"{purpose}_s"]) for purpose in PARTS) == pytest.approx(float(written["held_s"]))
    page = report.tables["Held time by purpose"]
    for place, job in enumerate(study.jobs):
        spent = [sum(job.seconds.get(part, 0.0) for part in parts) for parts in PARTS.values()]
        assert page[1 + place][2:] == [duration(seconds) for seconds in spent]


def test_e_correlations(study: Study, report: Report) -> None:
    values = np.array(
        [
            [
                job.result["parameters"],
                job.result["trainable_parameters"],
                np.median(job.column("step_s_p50")),
                np.median(job.epoch_s),
                job.total_s,
                job.result["best"]["test"]["accuracy"],
                job.test_macro_f1(study),
            ]
            for job in study.jobs
        ],
        float,
    )
    expected = np.corrcoef(values.T)
    keys = ["total_parameters", "trainable_parameters", "time_per_step", "time_per_epoch", "time_in_training"]
    keys += ["test_accuracy", "test_macro_f1"]
    for line, (written, stored) in zip(expected, report.both("correlation"), strict=True):
        assert [float(written[key]) for key in keys] == pytest.approx(line.tolist(), abs=1e-9)
        assert [stored[key] for key in keys] == pytest.approx(line.tolist(), abs=1e-9)
    words = " ".join(report.pictures["Correlation: Pearson's r over 6 models"])
    for value in expected.ravel():
        assert f"{value:+.2f}".replace("-", "\u2212") in words


def test_f_accuracies_on_validation_and_test_images(study: Study, report: Report) -> None:
    from sklearn.metrics import accuracy_score

    page = report.tables["Accuracy and state of every job"]
    for place, (job, (written, stored)) in enumerate(zip(study.jobs, report.both("quality"), strict=True)):
        assert int(written["best_epoch"]) == stored["best_epoch"] == job.best_epoch
        for weights, split in job.series:
            guesses = job.answers[f"{weights}/{split}"].argmax(axis=1)
            accuracy = accuracy_score(study.labels[split], guesses)
            assert same(written[f"{split}_accuracy_{weights}"], accuracy)
            assert stored[f"{split}_accuracy_{weights}"] == pytest.approx(accuracy)
            assert percent(accuracy) in page[2 + place]


def test_g_precision_recall_and_f1_by_class(study: Study, report: Report) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    for weights in ("best", "last"):
        page = report.tables["Precision, recall and F1 at the best epoch"]
        found = {(row["job"], row["class"]): (row, other) for row, other in report.both(f"classes-{weights}")}
        for place, job in enumerate(study.jobs):
            for split in SPLITS:
                guesses = job.answers[f"{weights}/{split}"].argmax(axis=1)
                scores = precision_recall_fscore_support(
                    study.labels[split], guesses, labels=range(len(study.classes)), zero_division=0
                )
                for number, name in enumerate(study.classes):
                    written, stored = found[job.name, name]
                    for key, values in zip(("precision", "recall", "f1", "support"), scores, strict=True):
                        # What was never predicted has no precision, where scikit-learn has to be given a number.
                        value = None if key == "precision" and number not in guesses else float(values[number])
                        assert same(written[f"{split}_{key}"], value)
                        assert stored[f"{split}_{key}"] == pytest.approx(value)
                    if weights == "best":
                        row = page[2 + place * len(study.classes) + number]
                        assert f"{scores[2][number]:.3f}" in row


def test_h_curves_with_their_seams_and_best_epochs(study: Study, report: Report) -> None:
    found = report.rows("epochs")
    assert found == [
        {key: str(value) if value is not None and key != "notes" else "" for key, value in row.items()}
        | {key: row[key] for key in ("job", "processor")}
        | {key: repr(row[key]) for key in row if isinstance(row[key], float)}
        for row in report.document["tables"]["epochs"]["rows"]
    ]
    for job in study.jobs:
        mine = [row for row in found if row["job"] == job.name]
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert [float(row[key]) for row in mine] == [row[key] for row in job.rows]
        best = job.rows[job.best_epoch - 1]
        said = f"validation accuracy {percent(best['val_accuracy'])}, loss {best['val_loss']:.4g}."
        assert f"Best epoch: {job.best_epoch}, {said}" in report.page
    titles = [title for title in report.pictures if title.endswith("by epoch")]
    assert len(titles) == len(study.jobs), "accuracy and loss of each"
    assert {"Validation accuracy by epoch, all models", "Validation loss by epoch, all models"} <= set(report.pictures)


def test_i_confusion_matrices_counted_and_by_row(study: Study, report: Report) -> None:
    from sklearn.metrics import confusion_matrix

    found: dict[tuple[str, str, str], list[tuple[dict[str, str], dict[str, Any]]]] = defaultdict(list)
    for written, stored in report.both("confusion"):
        found[written["job"], written["weights"], written["split"]].append((written, stored))
    for job in study.jobs:
        for weights, split in job.series:
            guesses = job.answers[f"{weights}/{split}"].argmax(axis=1)
            counts = confusion_matrix(study.labels[split], guesses, labels=range(len(study.classes)))
            cells = found[job.name, weights, split]
            named = [(is_, said) for is_ in study.classes for said in study.classes]
            assert [(written["true_class"], written["said_class"]) for written, _ in cells] == named
            assert [int(written["images"]) for written, _ in cells] == counts.ravel().tolist()
            assert [stored["images"] for _, stored in cells] == counts.ravel().tolist()
            shares = (counts / counts.sum(axis=1, keepdims=True)).ravel()
            assert [float(written["share_of_true_class"]) for written, _ in cells] == pytest.approx(shares.tolist())


def test_i_the_page_has_the_matrices_of_each_model_in_their_order(study: Study, report: Report) -> None:
    from sklearn.metrics import confusion_matrix

    expected = []
    for job in study.jobs:
        for weights in ("best",) if job.best_epoch == len(job.rows) else ("best", "last"):
            for split in ("validation", "test"):
                guesses = job.answers[f"{weights}/{split}"].argmax(axis=1)
                counts = confusion_matrix(study.labels[split], guesses, labels=range(len(study.classes)))
                rows = zip(study.classes, counts.tolist(), strict=True)
                expected.append([[name, *map(str, row)] for name, row in rows])
    assert [matrix[1:] for matrix in report.matrices] == expected
    assert all(matrix[0][1:] == list(study.classes) for matrix in report.matrices)


def test_pairs_by_mcnemars_exact_test_with_holms_correction(study: Study, report: Report) -> None:
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    jobs = {job.name: job for job in study.jobs}
    found = [row for row, _ in report.both("pairs") if (row["split"], row["weights"]) == ("test", "best")]
    assert len(found) == 15
    values = []
    for row in found:
        first, second = (
            jobs[row[key]].answers["best/test"].argmax(axis=1) == study.labels["test"] for key in ("first", "second")
        )
        only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
        assert (int(row["only_first_right"]), int(row["only_second_right"])) == (only_first, only_second)
        assert float(row["difference"]) == pytest.approx(first.mean() - second.mean(), abs=1e-12)
        either = only_first + only_second
        p_value = binomtest(only_first, either, 0.5).pvalue if either else 1.0
        assert float(row["p_mcnemar"]) == pytest.approx(p_value, rel=1e-9)
        values.append(p_value)
    running = 0.0
    for place, at in enumerate(np.argsort(values, kind="stable")):
        running = max(running, min(1.0, (len(values) - place) * values[at]))
        assert float(found[at]["p_holm"]) == pytest.approx(running, rel=1e-9)


def test_calibration_and_accuracy_by_severity(study: Study, report: Report) -> None:
    overall = {
        row["job"]: row
        for row, _ in report.both("calibration")
        if (row["split"], row["weights"]) == ("test", "best") and row["expected_calibration_error"]
    }
    levels = {
        (row["job"], int(row["severity"])): row
        for row, _ in report.both("severity")
        if (row["split"], row["weights"]) == ("test", "best")
    }
    for job in study.jobs:
        answers, labels = job.answers["best/test"].astype(np.float64), study.labels["test"]
        sure, right = answers.max(axis=1), answers.argmax(axis=1) == labels
        bins = np.clip(np.ceil(sure * 10).astype(int) - 1, 0, 9)
        error = sum(
            (bins == number).mean() * abs(right[bins == number].mean() - sure[bins == number].mean())
            for number in np.unique(bins)
        )
        assert float(overall[job.name]["expected_calibration_error"]) == pytest.approx(error, abs=1e-9)
        brier = ((answers - np.eye(len(study.classes))[labels]) ** 2).sum(axis=1).mean()
        assert float(overall[job.name]["brier_score"]) == pytest.approx(brier, rel=1e-9)
        for severity in np.unique(study.severities["test"]):
            chosen = study.severities["test"] == severity
            row = levels[job.name, int(severity)]
            assert (int(row["images"]), int(row["right"])) == (int(chosen.sum()), int(right[chosen].sum()))


def test_the_articles_table_has_every_quantity_of_each_model_in_every_order(study: Study, report: Report) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    found = {row["job"]: row for row in report.rows("models")}
    for job in study.jobs:
        expected: dict[str, float | None] = {
            "trainable_parameters": job.result["trainable_parameters"],
            "parameters": job.result["parameters"],
            "step_s": float(np.median(job.column("step_s_p50"))),
            "epoch_s": float(np.median(job.epoch_s)),
            "total_s": job.total_s,
            "best_epoch": job.best_epoch,
        }
        for split in SPLITS:
            truth, predicted = study.labels[split], job.answers[f"best/{split}"].argmax(axis=1)
            expected[f"{split}_accuracy"] = accuracy_score(truth, predicted)
            expected[f"{split}_macro_f1"] = f1_score(truth, predicted, average="macro", zero_division=0)
        assert differing(found[job.name], expected) == []
    orders = {caption: rows for caption, rows in report.tables.items() if caption.startswith("The models: ")}
    assert len(orders) == 11
    by_total = orders["The models: processor, parameters, times and results; shortest total time first"]
    names = [job.name.partition("/")[2] for job in sorted(study.jobs, key=lambda job: job.total_s)]
    assert [row[0].lower() for row in by_total[2:]] == names
    assert {tuple(sorted(map(tuple, rows))) for rows in orders.values()} == {tuple(sorted(map(tuple, by_total)))}


def test_averages_agreement_rates_areas_and_intervals_are_the_libraries(study: Study, report: Report) -> None:
    for job in study.jobs:
        check_scores(report.rows("scores"), job.name, study.labels, job.answers)
        check_rates(report.rows("class-rates"), job.name, study.classes, study.labels, job.answers)
        check_accuracies(report.rows("accuracy"), job.name, study.labels, job.answers)


def test_validation_alone_chooses_and_the_headline_says_so(study: Study, report: Report) -> None:
    answers = {job.name: job.answers for job in study.jobs}
    best = choice_by("accuracy", answers, study.labels)
    losses = {job.name: min(job.column("val_loss")) for job in study.jobs}
    chosen = min(best, key=lambda name: losses[name])
    [choice] = report.rows("choice")
    assert choice["job"] == chosen
    assert [row["job"] for row in report.rows("models") if row["chosen"] == "true"] == [chosen]
    (job,) = (job for job in study.jobs if job.name == chosen)
    right = (job.answers["best/test"].argmax(axis=1) == study.labels["test"]).mean()
    assert f"On the {len(study.labels['test'])} test images its accuracy is {percent(right)}" in report.page


def test_the_warnings_name_every_model_that_predicts_one_class_only(study: Study, report: Report) -> None:
    constant = [
        job.name
        for job in study.jobs
        if any(len(np.unique(job.answers[f"best/{split}"].argmax(axis=1))) == 1 for split in SPLITS)
    ]
    [row] = [row for row in report.rows("warnings") if row["kind"] == "Predicts one class only"]
    assert constant
    assert all(name in row["jobs"] for name in constant)
    assert sum(job.name in row["jobs"] for job in study.jobs) == len(constant)
