"""Fetching brings exactly the tensors that were stored, or says in one sentence why it cannot, and replaces nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from safetensors import safe_open

from qcqueue.app import fetch
from qcqueue.app.context import QueueContext
from qcqueue.app.datasets import keep
from qcqueue.app.fetch import Fetched, WeightsFormat, fetch_weights, load_model, usual_kind
from qcqueue.app.trained_weights import Which
from qcqueue.core.records import EpochMetrics
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import BlobMissing, CheckpointDamaged, CorruptionError, DigestMismatch, ExtraMissing, UserError
from qcqueue.exports.weights import read_weights
from qcqueue.stores.base import Blob, Moved, silently
from qcqueue.stores.folder import FolderStore
from tests.app.saved import file_of
from tests.app.trained import Run, model_of, tensors_after
from tests.cli.queues import SIDE_PX, a_job, an_empty_house, apply, put
from tests.engines.worlds import a_dataset


@pytest.fixture
def place(tmp_path: Path) -> QueueContext:
    queue = an_empty_house(tmp_path / "house").queue
    put(queue, a_job("vgg16", epochs=4))
    return queue


@pytest.fixture
def run(place: QueueContext) -> Run:
    return Run.of(place, "tiny/vgg16")


def fetched(place: QueueContext, folder: Path, which: Which = Which.BEST, job: str = "vgg16") -> Fetched:
    return fetch_weights(place, job, folder=folder, which=which, kind=WeightsFormat.SAFETENSORS)


def unsaved_epoch(run: Run, *, loss: float) -> None:
    """Train an epoch whose own save is lost."""
    number = run.record.epochs_done + 1
    metrics = EpochMetrics(epoch=number, loss=loss, accuracy=0.5, val_loss=loss, val_accuracy=0.5, learning_rate=1e-4)
    run.record = run.record.with_epoch(metrics, patience=0)


def lose_the_best(place: QueueContext) -> None:
    """Let the newest save not know its best model, like one of an older qcqueue."""
    newest = "(SELECT max(id) FROM checkpoints)"
    place.transact(lambda tx: tx.exec_driver_sql(f"DELETE FROM packs WHERE part = 'best' AND checkpoint_id = {newest}"))


def name_of(name: str, *, study: str = "tiny", is_alone: bool = True) -> str:
    return fetch.file_name(a_job(name, study=study), Which.BEST, WeightsFormat.H5, is_alone=is_alone)


@contextmanager
def nothing_new_in(folder: Path) -> Iterator[None]:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_file_holds_the_best_epoch_to_the_bit_under_names_a_person_can_read(
    place: QueueContext, run: Run, tmp_path: Path
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


def test_the_last_epoch_is_another_file(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch(loss=0.5).epoch(loss=0.9).finish()
    best, last = fetched(place, tmp_path), fetched(place, tmp_path, Which.LAST)
    assert (best.weights.epoch, last.weights.epoch) == (1, 2)
    assert last.path.name == "vgg16-last.safetensors"
    assert read_weights(last.path).sha256 == weights_sha256(tensors_after(2))


def test_a_second_fetch_finds_the_same_file_and_another_file_of_that_name_stays(
    place: QueueContext, run: Run, tmp_path: Path
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
def test_what_is_no_file_is_not_replaced_either(place: QueueContext, run: Run, tmp_path: Path, there: str) -> None:
    run.epoch()
    target = tmp_path / "vgg16.safetensors"
    target.mkdir() if there == "folder" else target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is there already"):
        fetched(place, tmp_path)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_somebody_writes_at_this_moment_is_not_replaced(
    place: QueueContext, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    run.epoch()
    theirs = tmp_path / "vgg16.safetensors"
    link, touch = Path.hardlink_to, Path.touch

    def link_late(self: Path, target: Path) -> None:
        if not has_links:
            raise PermissionError(1, "this file system has no links")
        theirs.write_text("theirs")
        link(self, target)

    def touch_late(self: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        theirs.write_text("theirs")
        touch(self, mode, exist_ok)

    monkeypatch.setattr(Path, "hardlink_to", link_late)
    monkeypatch.setattr(Path, "touch", touch_late)
    with pytest.raises(UserError, match="is there already and holds something else"):
        fetched(place, tmp_path)
    assert theirs.read_text() == "theirs"


def test_a_file_system_without_links_gets_the_file_as_well(
    place: QueueContext, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "this file system has no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run.epoch()
    assert [fetched(place, tmp_path / "out").is_new for _ in range(2)] == [True, False]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vgg16.safetensors"]
    assert read_weights(tmp_path / "out" / "vgg16.safetensors").epoch == 1


def test_an_unfinished_job_gives_what_is_saved_and_says_that_it_is_not_done(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.5).epoch(loss=0.9).some_steps()
    best, last = fetched(place, tmp_path), fetched(place, tmp_path, Which.LAST)
    assert (best.weights.epoch, last.weights.epoch) == (1, 2)
    assert best.state == "running"
    run.finish()
    assert not fetched(place, tmp_path).is_new  # the same weights are the same file, also when the job is done


def test_a_job_without_a_finished_epoch_has_no_weights_yet(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.some_steps()
    with nothing_new_in(tmp_path), pytest.raises(UserError, match="has no finished epoch that is saved") as told:
        fetched(place, tmp_path)
    assert told.value.hint == "qcqueue why tiny/vgg16"


def test_a_last_epoch_of_which_only_the_middle_of_the_next_is_kept_is_said_to_be_gone(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.5)
    unsaved_epoch(run, loss=0.9)
    run.some_steps().some_steps()
    with pytest.raises(UserError, match="its last epoch is not whole") as told:
        fetched(place, tmp_path, Which.LAST)
    assert str(told.value.hint).startswith("--weights best")
    assert fetched(place, tmp_path).weights.epoch == 1


def test_a_last_epoch_that_is_the_best_is_whole_though_only_the_middle_of_the_next_is_kept(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.9).epoch(loss=0.5).some_steps().some_steps()
    assert fetched(place, tmp_path, Which.LAST).weights.epoch == 2


def test_a_best_epoch_that_is_not_kept_is_said_to_be_gone_and_no_older_one_takes_its_place(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.7).epoch(loss=0.9)
    unsaved_epoch(run, loss=0.1)
    run.states[3] = run.states[1]
    run.some_steps()  # the save before this one still has epoch 1 as its best
    lose_the_best(place)
    with nothing_new_in(tmp_path), pytest.raises(UserError, match="which is epoch 3, are not kept any more") as told:
        fetched(place, tmp_path)
    assert told.value.hint == "qcqueue log tiny/vgg16"


def test_where_the_best_epoch_is_not_kept_the_last_one_is_offered(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch(loss=0.9).epoch(loss=0.5).epoch(loss=0.7).epoch(loss=0.8)
    place.transact(lambda tx: tx.exec_driver_sql("DELETE FROM packs WHERE part = 'best'"))
    with pytest.raises(UserError, match="which is epoch 2, are not kept any more") as told:
        fetched(place, tmp_path)
    assert told.value.hint == "--weights last, which are of epoch 4"
    assert fetched(place, tmp_path, Which.LAST).weights.epoch == 4


def test_an_epoch_of_a_run_that_was_given_up_is_not_taken_for_one_of_the_same_number(
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    before = run.record
    run.epoch(loss=0.7)
    run.record = before
    unsaved_epoch(run, loss=0.6)
    run.some_steps()
    lose_the_best(place)
    with pytest.raises(UserError, match="which is epoch 1, are not kept any more"):
        fetched(place, tmp_path)


@pytest.mark.parametrize("file", ["head", "m000", "f000"])
def test_a_damaged_pack_is_named(place: QueueContext, run: Run, tmp_path: Path, file: str) -> None:
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


@pytest.mark.parametrize(("which", "other", "lost"), [(Which.BEST, "last", 1), (Which.LAST, "best", 2)])
def test_where_one_epoch_is_damaged_the_other_is_offered(
    place: QueueContext, run: Run, tmp_path: Path, which: Which, other: str, lost: int
) -> None:
    run.epoch(loss=0.5).epoch(loss=0.9)
    file_of(place, run.states[lost]["m000"]).write_bytes(b"rot")
    with pytest.raises(CheckpointDamaged, match=f"the {which} weights of tiny/vgg16 are damaged") as told:
        fetched(place, tmp_path, which)
    assert told.value.hint == f"qcqueue store verify, or --weights {other}"
    assert fetched(place, tmp_path, which.other).weights.epoch == 3 - lost


def test_a_pack_that_is_gone_is_named(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch()
    place.store.delete(run.states[1]["m000"])
    with pytest.raises(BlobMissing, match="the best weights of tiny/vgg16 cannot be had"):
        fetched(place, tmp_path)


def test_what_a_session_at_work_gives_up_meanwhile_is_found_where_it_is_now(
    place: QueueContext, run: Run, tmp_path: Path
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
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch().finish()

    def forge(tx: object) -> None:
        (text,) = tx.exec_driver_sql("SELECT result FROM results").scalars()  # type: ignore[attr-defined]
        forged = text.replace(weights_sha256(tensors_after(1)), "0" * 64)
        tx.exec_driver_sql("UPDATE results SET result = ?", (forged,))  # type: ignore[attr-defined]

    place.transact(forge)
    with pytest.raises(DigestMismatch, match="are not those of its result"):
        fetched(place, tmp_path)


def test_fetching_changes_nothing_in_the_queue(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch()
    with nothing_new_in(tmp_path / "house"):
        fetched(place, tmp_path / "out")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "a/b", "CON:", "-rf", "x" * 300, "\u202egnp", "naïve"])
def test_no_name_of_a_job_leaves_the_folder_or_names_two_jobs_alike(name: str) -> None:
    for is_alone in (True, False):
        made = name_of(name, is_alone=is_alone)
        assert Path(made).name == made
        assert not made.startswith((".", "-"))
        assert made.isascii()
        assert len(made) < 180
        assert made != name_of(f"{name} ", is_alone=is_alone)
        assert made != name_of(name, study="other", is_alone=False)


@pytest.mark.parametrize("device", ["con", "nul", "aux", "prn", "com1", "lpt9"])
def test_what_windows_takes_for_a_device_is_never_before_the_first_dot(device: str) -> None:
    assert name_of(device).startswith(f"{device}_.")
    assert name_of("vgg16", study=device, is_alone=False).startswith(f"{device}_.vgg16.")


def test_two_jobs_of_one_name_are_two_files_and_neither_is_another_study_with_a_longer_name(tmp_path: Path) -> None:
    twice = an_empty_house(tmp_path / "house").queue
    for study, epoch_loss in (("a", 0.5), ("b", 0.25)):
        put(twice, a_job("vgg16", study=study))
        Run.of(twice, f"{study}/vgg16").epoch(loss=epoch_loss)
    brought = [fetched(twice, tmp_path / "out", job=job) for job in ("a/vgg16", "b/vgg16")]
    assert [it.path.name for it in brought] == ["a.vgg16.safetensors", "b.vgg16.safetensors"]
    assert [read_weights(it.path).spec.study for it in brought] == ["a", "b"]
    assert name_of("b-c", study="a", is_alone=False) != name_of("c", study="a-b", is_alone=False)


def test_the_white_of_deep_pictures_comes_with_the_weights(place: QueueContext, tmp_path: Path) -> None:
    dataset = a_dataset(side_px=SIDE_PX)
    keep(place, "scans", replace(dataset, summary=replace(dataset.summary, deep_white=4095)), dry_run=False)
    put(place, a_job("deep", dataset="scans"))
    Run.of(place, "tiny/deep").epoch()
    assert read_weights(fetched(place, tmp_path, job="deep").path).deep_white == 4095


@pytest.mark.parametrize("kind", WeightsFormat)
@pytest.mark.parametrize("model", ["Toy", "OfALaterVersion"])
def test_weights_that_no_keras_model_has_are_not_fetched_and_the_figures_are_offered(
    place: QueueContext, tmp_path: Path, model: str, kind: WeightsFormat
) -> None:
    put(place, a_job("toy", model=model))
    Run.of(place, "tiny/toy").epoch()
    with nothing_new_in(tmp_path / "out"), pytest.raises(UserError, match=f"tiny/toy is of {model}") as refused:
        fetch_weights(place, "toy", folder=tmp_path / "out", which=Which.BEST, kind=kind)
    assert "qcqueue show toy" in str(refused.value.hint)


def test_a_folder_that_cannot_be_one_is_named(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="file cannot be written: "):
        fetched(place, tmp_path / "file")


def test_a_job_that_was_cancelled_after_an_epoch_still_gives_its_weights(
    place: QueueContext, run: Run, tmp_path: Path
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
    place: QueueContext, run: Run, tmp_path: Path
) -> None:
    run.epoch()
    kind, why = usual_kind()
    assert kind is WeightsFormat.SAFETENSORS
    assert "TensorFlow is not installed" in why
    with nothing_new_in(tmp_path), pytest.raises(ExtraMissing) as told:
        fetch_weights(place, "vgg16", folder=tmp_path, which=Which.BEST, kind=WeightsFormat.H5)
    assert 'pip install "qcqueue[train]"' in str(told.value.hint)


@pytest.mark.usefixtures("without_keras")
def test_without_keras_a_model_is_not_loaded(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch()
    path = fetched(place, tmp_path).path
    with pytest.raises(ExtraMissing, match="not installed"):
        load_model(path)


def test_load_model_says_what_is_wrong_with_a_file(place: QueueContext, run: Run, tmp_path: Path) -> None:
    run.epoch()
    with pytest.raises(UserError, match="there is no file"):
        load_model(tmp_path / "nothing.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(CorruptionError, match="is not a whole weights file"):
        load_model(tmp_path / "text.safetensors")


@pytest.mark.parametrize(
    ("about", "error"),
    [
        (None, "holds no weights that qcqueue has fetched"),
        ("{", "holds no weights that qcqueue has fetched"),
        ("[]", "holds no weights that qcqueue has fetched"),
        (7, "holds no weights that qcqueue has fetched"),
        (["a", "b"], "holds no weights that qcqueue has fetched"),
        ('{"kind": "weights", "format": -1}', "is not a whole weights file"),
        ('{"kind": "weights", "format": NaN}', "is not a whole weights file"),
        ('{"kind": "weights", "format": 9}', "was written by a newer qcqueue"),
        ('{"kind": "weights", "format": 1}', "is not a whole weights file"),
        ('{"kind": "weights", "format": 1, "spec": {"model": "os.system"}}', "is not a whole weights file"),
    ],
)
def test_a_file_of_keras_is_told_from_one_that_was_fetched(tmp_path: Path, about: object, error: str) -> None:
    with h5py.File(tmp_path / "mine.weights.h5", "w") as file:
        file["kernel"] = [1.0, 2.0]
        if about is not None:
            file.attrs["qcqueue"] = about
    with pytest.raises((UserError, CorruptionError), match=error):
        load_model(tmp_path / "mine.weights.h5")


def test_what_is_called_h5_and_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.weights.h5").write_text("not weights")
    with pytest.raises(CorruptionError, match=r"text\.weights\.h5"):
        load_model(tmp_path / "text.weights.h5")
    with pytest.raises(UserError, match="there is no file"):
        load_model(tmp_path / "nothing.weights.h5")
