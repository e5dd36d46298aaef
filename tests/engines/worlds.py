"""A tiny dataset, a short spec and a sink that remembers: what every training test starts from."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from qcqueue.conformance.sinks import RecordingSink
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.records import EpochTiming, Identity, PartialEpoch, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.step_choice import StepChoice
from qcqueue.datasets.format import Dataset, Split, to_bytes
from qcqueue.engines.base import Arriving, Assignment, Here
from qcqueue.engines.batches import splitmix64

SIDE_PX = 32
COUNTS = {Split.TRAIN: 22, Split.VALIDATION: 10, Split.TEST: 8}


def a_spec(**changes: Any) -> JobSpec:
    """A job of seconds with everything on that has state: dropout, flips, a partial last batch."""
    spec = JobSpec(
        study="tests",
        name="tiny",
        model="VGG16",
        dataset="blobs",
        epochs=3,
        batch_size=8,
        learning_rate=1e-4,
        optimizer="adam",
        image_size=(SIDE_PX, SIDE_PX),
        weights="none",
        weights_sha256=None,
        trainable="all",
        augment="flips",
        dropout=0.3,
        determinism="exact",
        device="cpu",
        seed=7,
        early_stopping=0,
    )
    return replace(spec, **changes)


def a_dataset(*, side_px: int = SIDE_PX, counts: dict[Split, int] | None = None) -> Dataset:
    """Noise of three brightnesses: something to learn, nothing to load."""
    sizes = counts or COUNTS
    splits = np.concatenate([np.full(size, split, np.uint8) for split, size in sizes.items()])
    labels = np.concatenate([np.arange(size) * 3 // max(size, 1) for size in sizes.values()]).astype(np.uint8)
    total = len(splits)
    noise = splitmix64(np.arange(total * side_px * side_px * 3, dtype=np.uint64)) & np.uint64(127)
    images = noise.astype(np.uint8).reshape(total, side_px, side_px, 3) + 60 * labels[:, None, None, None]
    train, validation, test = (int(np.count_nonzero(splits == split)) for split in Split)
    return Dataset(
        summary=DatasetSummary(
            classes=("good", "fair", "reject"),
            image_size=(side_px, side_px),
            train=train,
            validation=validation,
            test=test,
            source="tests",
        ),
        names=tuple(f"{index:03d}.png" for index in range(total)),
        images=images.astype(np.uint8),
        labels=labels,
        splits=splits,
        severities=np.zeros(total, np.uint8),
    )


def a_dataset_file(folder: Path, dataset: Dataset | None = None) -> Path:
    path = folder / "dataset"
    path.write_bytes(to_bytes(dataset or a_dataset()))
    return path


@dataclass(kw_only=True)
class Memory(RecordingSink):
    """A sink that keeps everything, and sees to it that what is the best was handed over."""

    timings: list[EpochTiming] = field(default_factory=list)
    saved: list[bool] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    """Epochs whose model alone was handed over."""
    rehearsals: list[Rehearsal] = field(default_factory=list)
    choices: list[StepChoice] = field(default_factory=list)

    def chose_step(self, choice: StepChoice) -> None:
        self.choices.append(choice)

    def rehearsed(self, rehearsal: Rehearsal) -> None:
        self.rehearsals.append(rehearsal)

    def save_model(self, epoch: int, tensors: Tensors) -> None:
        self.models.append(epoch)
        super().save_model(epoch, tensors)

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None:
        self.timings.append(timing)
        self.saved.append(is_saved)
        assert is_best == (record.best_epoch == record.epochs_done)
        assert not (is_best and is_saved) or self.newest is not None, "what is saved was handed over"
        super().epoch_done(record, timing, is_best=is_best, is_saved=is_saved)
        assert not is_best or record.epochs_done in self.best


def an_assignment(
    dataset_path: Path,
    *,
    spec: JobSpec | None = None,
    resume_from: Snapshot | Arriving | None = None,
    weights_path: Path | None = None,
) -> Assignment:
    return Assignment(
        spec=spec or a_spec(),
        dataset_path=dataset_path,
        weights_path=weights_path,
        threads=2,
        resume_from=Here(resume_from) if isinstance(resume_from, Snapshot) else resume_from,
        best=lambda epoch: {},
    )


def small_base(name: str, image_size: tuple[int, int], *, imagenet: bool) -> Any:
    """A network that traces in half a second, in place of a `keras.applications` one: it has what they have that
    could break exactness, batch statistics, and nothing else."""
    import keras

    images = keras.Input((*image_size, 3))
    features = keras.layers.Conv2D(6, 3, strides=3)(images)
    features = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(features))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))


def run(assignment: Assignment, sink: Memory) -> Memory:
    """Train in this process; the sink is also where the best model is read from."""
    from qcqueue.clock import SystemClock
    from qcqueue.engines.registry import train

    if isinstance(assignment.resume_from, Here):
        sink.newest = assignment.resume_from.state
    train(replace(assignment, best=lambda epoch: sink.best[epoch]), sink, SystemClock())
    return sink


def a_record(**changes: Any) -> TrainingRecord:
    identity = Identity(
        processor="a processor",
        instruction_set="avx2",
        threads=2,
        deterministic=True,
        python="3.11",
        framework="tensorflow",
        framework_version="2.20",
        library="keras",
        library_version="3.13",
        numpy="2.1",
    )
    record = TrainingRecord(
        spec_sha256="", epochs_done=0, partial=PartialEpoch(), history=(), identity=identity, lineage=1
    )
    return replace(record, **changes)
