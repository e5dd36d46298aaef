"""Fetching brings exactly the tensors that were stored, or says in one sentence why it cannot, and replaces nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from qcqueue.app import fetch
from qcqueue.app.fetch import Fetched, Kind, fetch_weights, load_model, usual_kind
from qcqueue.app.weights import Which
from qcqueue.app.workplace import Workplace
from qcqueue.errors import BlobMissing, CheckpointDamaged, CorruptionError, DigestMismatch, ExtraMissing, UserError
from qcqueue.exports.weights import read_weights
from qcqueue.storage.base import Blob, Moved, silently
from qcqueue.storage.folder import FolderStore
from qcqueue.training.digests import weights_sha256
from tests.app.saved import file_of
from tests.app.trained import Run, model_of, tensors_after
from tests.cli.queues import a_job, an_empty_house, apply, put


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    queue = an_empty_house(tmp_path / "house").queue
    put(queue, a_job("vgg16", epochs=4))
    return queue


@pytest.fixture
def run(place: Workplace) -> Run:
    return Run.of(place, "tiny/vgg16")


def fetched(place: Workplace, folder: Path, which: Which = Which.BEST, job: str = "vgg16") -> Fetched:
    return fetch_weights(place, job, folder=folder, which=which, kind=Kind.SAFETENSORS)


@contextmanager
def nothing_new_in(folder: Path) -> Iterator[None]:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_file_holds_the_best_epoch_to_the_bit_under_names_a_person_can_read(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=2.0).epoch(loss=0.5).epoch(loss=0.9).epoch(loss=0.8).finish()
    brought = fetched(place, tmp_path / "out")
    assert (brought.is_new, brought.path.name, brought.weights.epoch) == (True, "vgg16.safetensors", 2)
    with safe_open(brought.path, framework="numpy") as file:
        about = json.loads(file.metadata()["qcqueue"])
        found = [file.get_tensor(name) for name in about["variables"]]
    assert about["variables"] == ["block1_conv1/kernel", "block1_conv1/bias", "dense/kernel", "dense/kernel_2"]
    for tensor, expected in zip(found, model_of(tensors_after(2)).values(), strict=True):
        assert (tensor.dtype, tensor.shape, tensor.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    assert about["weights_sha256"] == weights_sha256(tensors_after(2)) == brought.weights.sha256
    facts = {"job": "tiny/vgg16", "model": "VGG16", "weights": "best", "epoch": 2, "epochs": 4, "image_size": [75, 75]}
    assert facts.items() <= about.items()
    assert about["classes"] == ["good", "fair", "reject"]
    assert about["preprocessing"]["function"] == "keras.applications.vgg16.preprocess_input"


def test_the_last_epoch_is_another_file(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch(loss=0.5).epoch(loss=0.9).finish()
    best, last = fetched(place, tmp_path), fetched(place, tmp_path, Which.LAST)
    assert (best.weights.epoch, last.weights.epoch) == (1, 2)
    assert last.path.name == "vgg16-last.safetensors"
    assert read_weights(last.path).sha256 == weights_sha256(tensors_after(2))


def test_a_second_fetch_finds_the_same_file_and_another_file_of_that_name_stays(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.5)
    first = fetched(place, tmp_path / "out")
    with nothing_new_in(tmp_path / "out"):
        again = fetched(place, tmp_path / "out")
    assert (again.is_new, again.sha256) == (False, first.sha256)
    run.epoch(loss=0.1)
    with (
        nothing_new_in(tmp_path / "out"),
        pytest.raises(UserError, match="is there already and holds something else") as told,
    ):
        fetched(place, tmp_path / "out")
    assert "--out" in str(told.value.hint)


@pytest.mark.parametrize("there", ["folder", "dangling link"])
def test_what_is_no_file_is_not_replaced_either(place: Workplace, run: Run, tmp_path: Path, there: str) -> None:
    run.epoch()
    target = tmp_path / "vgg16.safetensors"
    target.mkdir() if there == "folder" else target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is there already"):
        fetched(place, tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_an_unfinished_job_gives_what_is_saved_and_says_that_it_is_not_done(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.5).epoch(loss=0.9).some_steps()
    best, last = fetched(place, tmp_path), fetched(place, tmp_path, Which.LAST)
    assert (best.weights.epoch, last.weights.epoch) == (1, 2)
    assert best.state == "running"
    run.finish()
    assert not fetched(place, tmp_path).is_new  # the same weights are the same file, also when the job is done


def test_a_job_without_a_finished_epoch_has_no_weights_yet(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.some_steps()
    with nothing_new_in(tmp_path), pytest.raises(UserError, match="has no finished epoch that is saved") as told:
        fetched(place, tmp_path)
    assert told.value.hint == "qcqueue why tiny/vgg16"


def test_a_last_epoch_of_which_only_the_middle_of_the_next_is_kept_is_said_to_be_gone(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch().some_steps()
    run.record = run.record.with_epoch(run.record.history[-1], patience=0)
    run.some_steps().some_steps()
    with pytest.raises(UserError, match="its last epoch is not whole") as told:
        fetched(place, tmp_path, Which.LAST)
    assert str(told.value.hint).startswith("--weights best")
    assert fetched(place, tmp_path).weights.epoch == 1


@pytest.mark.parametrize("file", ["head", "m000", "f000"])
def test_a_damaged_pack_is_named(place: Workplace, run: Run, tmp_path: Path, file: str) -> None:
    run.epoch()
    blob = run.states[1][file]
    path = file_of(place, blob)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    with nothing_new_in(out), pytest.raises(CheckpointDamaged) as told:
        fetched(place, out)
    assert f"the best weights of tiny/vgg16 are damaged in pack {blob.sha256[:12]}" in str(told.value)
    assert (told.value.exit_code, told.value.hint) == (5, "qcqueue store verify")
    assert list(out.iterdir()) == []


def test_a_pack_that_is_gone_is_named(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch()
    place.store.delete(run.states[1]["m000"])
    with pytest.raises(BlobMissing, match="the best weights of tiny/vgg16 cannot be had"):
        fetched(place, tmp_path)


def test_what_a_session_at_work_gives_up_meanwhile_is_found_where_it_is_now(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=2.0).epoch(loss=1.0)

    class Meanwhile(FolderStore):
        """The session saves two better epochs before the first file is read."""

        def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
            if run.record.epochs_done == 2:
                run.epoch(loss=0.5).epoch(loss=0.4)
            super().fetch(blob, target, moved=moved)

    assert place.folder is not None
    sly = replace(place, store=Meanwhile(place.folder, place.clock, place.ids))
    assert fetched(sly, tmp_path / "out").weights.epoch == 4
    assert read_weights(tmp_path / "out" / "vgg16.safetensors").sha256 == weights_sha256(tensors_after(4))


def test_weights_that_are_whole_but_not_those_of_the_result_are_refused(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch().finish()

    def forge(tx: object) -> None:
        (text,) = tx.exec_driver_sql("SELECT result FROM results").scalars()  # type: ignore[attr-defined]
        forged = text.replace(weights_sha256(tensors_after(1)), "0" * 64)
        tx.exec_driver_sql("UPDATE results SET result = ?", (forged,))  # type: ignore[attr-defined]

    place.transact(forge)
    with pytest.raises(DigestMismatch, match="are not those of its result"):
        fetched(place, tmp_path)


def test_fetching_changes_nothing_in_the_queue(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch()
    with nothing_new_in(tmp_path / "house"):
        fetched(place, tmp_path / "out")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "a/b", "CON:", "-rf", "x" * 300, "\u202egnp", "naïve"])
def test_no_name_of_a_job_leaves_the_folder_or_names_two_jobs_alike(name: str) -> None:
    made = fetch.file_name(name, Which.BEST, Kind.H5)
    assert Path(made).name == made
    assert not made.startswith((".", "-"))
    assert made.isascii()
    assert len(made) < 100
    assert made != fetch.file_name(f"{name} ", Which.BEST, Kind.H5)


def test_a_folder_that_cannot_be_one_is_named(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="file cannot be written: "):
        fetched(place, tmp_path / "file")


def test_a_job_that_was_cancelled_after_an_epoch_still_gives_its_weights(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch()
    apply(place, "vgg16", "cancel")
    assert fetched(place, tmp_path).weights.epoch == 1


# without TensorFlow


@pytest.fixture
def without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "has_keras", lambda: False)


@pytest.mark.usefixtures("without_keras")
def test_without_keras_the_usual_format_is_safetensors_and_h5_says_what_is_missing(
    place: Workplace, run: Run, tmp_path: Path
) -> None:
    run.epoch()
    kind, why = usual_kind()
    assert kind is Kind.SAFETENSORS
    assert "TensorFlow is not installed" in why
    with nothing_new_in(tmp_path), pytest.raises(ExtraMissing) as told:
        fetch_weights(place, "vgg16", folder=tmp_path, which=Which.BEST, kind=Kind.H5)
    assert 'pip install "qcqueue[train]"' in str(told.value.hint)


@pytest.mark.usefixtures("without_keras")
def test_without_keras_a_model_is_not_loaded(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch()
    path = fetched(place, tmp_path).path
    with pytest.raises(ExtraMissing, match="not installed"):
        load_model(path)


def test_load_model_says_what_is_wrong_with_a_file(place: Workplace, run: Run, tmp_path: Path) -> None:
    run.epoch()
    with pytest.raises(UserError, match="there is no file"):
        load_model(tmp_path / "nothing.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(CorruptionError, match="is not a whole weights file"):
        load_model(tmp_path / "text.safetensors")
