"""A queue asked from Python: the same as by the commands, as plain values or as DataFrames, and refused as clearly."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import qcqueue
from qcqueue.app.data_options import import_options
from qcqueue.errors import SettingInvalid, SpecInvalid, UnknownName, UserError
from tests.app.trained import Run
from tests.cli.queues import DATASET, SIDE_PX, House, an_empty_house

STUDY: dict[str, Any] = {
    "study": "mine",
    "dataset": DATASET,
    "defaults": {"image_size": (SIDE_PX, SIDE_PX), "weights": "none", "epochs": np.int64(3)},
    "job": ({"model": "Toy"}, {"model": "Toy", "name": "other", "learning_rate": 0.5}),
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    made = an_empty_house(tmp_path / "house")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("QCQUEUE_CACHE", str(made.cache))
    return made


@pytest.fixture(autouse=True)
def _without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is installed depends on who runs this."""
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pandas" else find(name))


def test_what_a_program_enqueues_belongs_to_whoever_runs_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCQUEUE_OWNER", "ada@example.org")
    qcqueue.enqueue(STUDY)
    assert {row["owner"] for row in qcqueue.status()} == {"ada@example.org"}


def test_tables_of_a_program_become_the_jobs_that_the_same_file_gives(house: House) -> None:
    assert qcqueue.enqueue(STUDY) == ["mine/toy", "mine/other"]
    written = (
        f'study = "mine"\ndataset = "{DATASET}"\n[defaults]\nimage_size = [{SIDE_PX}, {SIDE_PX}]\nweights = "none"\n'
        "epochs = 3\n"
        '[[job]]\nmodel = "Toy"\n[[job]]\nmodel = "Toy"\nname = "other"\nlearning_rate = 0.5\n'
    )
    (house.folder / "mine.toml").write_text(written)
    assert qcqueue.enqueue("mine.toml") == []
    assert [row["name"] for row in qcqueue.status()] == ["mine/toy", "mine/other"]


def test_what_is_wrong_with_the_tables_is_told_by_its_key_and_nothing_is_enqueued(house: House) -> None:
    with pytest.raises(SpecInvalid) as told:
        qcqueue.enqueue({**STUDY, "job": [{"model": "Toy", "epochs": 0}, {"modle": "Toy"}]})
    assert [line.split(" found")[0] for line in told.value.problems][:2] == [
        "the study, job 1: epochs:",
        "the study, job 2: modle:",
    ]
    with pytest.raises(
        SpecInvalid, match='the study, job 2: name: found "toy" for a second time, after the study, job 1'
    ):
        qcqueue.enqueue({**STUDY, "job": [{"model": "Toy"}, {"model": "Toy"}]})
    for odd in ({}, {"study": "a", "dataset": DATASET, "job": "Toy"}, {"study": "a", "dataset": "noise", "job": [7]}):
        with pytest.raises(SpecInvalid):
            qcqueue.enqueue(odd)
    assert qcqueue.status() == []


def test_a_weights_file_is_looked_for_where_the_program_runs(house: House) -> None:
    with pytest.raises(SpecInvalid, match=r"the weights file mine\.h5"):
        qcqueue.enqueue({**STUDY, "job": [{"model": "VGG16", "weights": Path("mine.h5")}]})


def test_the_history_and_its_pictures_are_those_of_the_epochs_that_count(house: House, tmp_path: Path) -> None:
    qcqueue.enqueue(STUDY)
    assert qcqueue.history("toy") == []
    assert repr(qcqueue.plot("mine/toy")) == "no epoch of this job is saved yet"
    Run.of(house.queue, "mine/toy").epoch(loss=2.0).epoch(loss=0.5)
    rows = qcqueue.history("toy")
    assert [(row["epoch"], row["val_loss"]) for row in rows] == [(1, 2.0), (2, 0.5)]
    assert {"accuracy", "learning_rate", "train_s", "attempt", "processor"} <= rows[0].keys()
    (state,) = [row["state"] for row in qcqueue.status() if row["name"] == "mine/toy"]
    assert state == "running"
    curves = qcqueue.plot("toy")
    assert curves._repr_html_().count("<svg") == 1
    paths = curves.save(tmp_path / "pictures")
    assert [path.name for path in paths] == ["toy-curves.svg"]
    (tmp_path / "elsewhere").write_text("mine")
    paths[0].unlink()
    paths[0].symlink_to(tmp_path / "elsewhere")
    curves.save(tmp_path / "pictures")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert all(ElementTree.parse(path).getroot().tag.endswith("svg") for path in paths)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        curves.save(tmp_path / "taken")


def test_with_pandas_a_table_is_a_data_frame(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pandas:
        @staticmethod
        def DataFrame(rows: Any, columns: Any) -> tuple[str, Any]:
            return "a frame", rows

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(__import__("sys").modules, "pandas", Pandas)
    assert qcqueue.status() == ("a frame", [])


def test_images_are_imported_as_by_the_command(house: House) -> None:
    for name in ("good", "bad"):
        (house.folder / "photos" / name).mkdir(parents=True)
        for number in range(5):
            pixels = np.full((30, 30, 3), number * 40 + (name == "bad"), np.uint8)
            Image.fromarray(pixels).save(house.folder / "photos" / name / f"{number}.png")
    added = qcqueue.add_data("photos", "photos", image_size=(24, 24), split=(6, 2, 2))
    assert (added["new"], added["classes"], added["train"]) == (True, ("bad", "good"), 6)
    assert not qcqueue.add_data(Path("photos"), "photos", image_size="24x24", split="6,2,2")["new"]
    typed = import_options(
        size="24x24", split=None, split_folders="train=a,test=b", group_by=None, include=["*.png"], depth="12", seed=1
    )
    seen = list[Any]()

    def added_nothing(*given: Any, progress: Any) -> None:
        seen.append(given[3])
        raise UserError("nothing is added")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("qcqueue.notebook.calls.add_images", added_nothing)
        with pytest.raises(UserError, match="nothing is added"):
            qcqueue.add_data(
                "p", "n", image_size=(24, 24), split_folders={"train": "a", "test": "b"}, include="*.png", depth=12
            )
    assert seen == [typed]
    with pytest.raises(UserError, match="image-size"):
        qcqueue.add_data("photos", "more", image_size=(0, 24))


def test_without_a_queue_or_with_an_unknown_job_each_says_so(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ask in (qcqueue.history, qcqueue.plot):
        with pytest.raises(UnknownName):
            ask("nobody")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for call in (qcqueue.status, lambda: qcqueue.enqueue(STUDY), lambda: qcqueue.history("toy")):
        with pytest.raises(SettingInvalid, match="no store is named"):
            call()


def test_what_is_no_text_or_number_is_refused_before_anything_is_read(house: House) -> None:
    endless: dict[str, Any] = {"study": "s"}
    endless["job"] = [endless]
    calls: list[Callable[[], Any]] = [
        lambda: qcqueue.enqueue(endless),
        lambda: qcqueue.enqueue("a\0b"),
        lambda: qcqueue.enqueue(5),  # type: ignore[arg-type]
        lambda: qcqueue.status(store=["a"]),  # type: ignore[arg-type]
        lambda: qcqueue.history(["toy"]),  # type: ignore[arg-type]
        lambda: qcqueue.plot("\ud800"),
        lambda: qcqueue.add_data("photos", "n", seed=True),
        lambda: qcqueue.add_data("photos", "n", seed="a"),  # type: ignore[arg-type]
        lambda: qcqueue.add_data("photos", "n", split={6, 5, 7}),  # type: ignore[arg-type]
        lambda: qcqueue.add_data("photos", "n", include=[5]),  # type: ignore[list-item]
        lambda: qcqueue.add_data("photos", "n", group_by=5),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(UserError) as told:
            call()
        assert told.value.next_step
    assert qcqueue.status() == []
