"""Before the first step on new hardware a resume is rehearsed, and what a device cannot do is found there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.clock import SystemClock
from qcqueue.core.failure_policy import Hold, Tried, remedy
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import Rehearsal
from qcqueue.engines.batches import Batch
from qcqueue.errors import DeterminismRefused, NotReproducible, OutOfMemory, TrainingError
from qcqueue.spool.files import FAILED
from qcqueue.spool.reader import Spool
from qcqueue.text.canonical_json import parse_json
from tests.engines.test_exact_resume import assert_same_end, resumed
from tests.engines.test_trainer import a_spool, carried_out
from tests.engines.worlds import Memory, a_spec, an_assignment, run, small_base

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]


@pytest.fixture(scope="module")
def uncut(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory())


def test_a_run_that_was_rehearsed_has_the_bits_of_one_that_was_not(
    dataset_path: Path, uncut: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines import loop as training

    monkeypatch.setattr(training, "rehearse", lambda program, batches: "")
    assert_same_end(run(an_assignment(dataset_path), Memory()), uncut)


def test_it_steps_through_a_whole_and_a_partial_batch_in_the_graph_that_trains(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines import loop as training
    from qcqueue.engines.keras_tf.program import KerasProgram
    from qcqueue.engines.rehearsal import rehearse

    programs, sizes = list[KerasProgram](), list[int]()

    def noted(program: KerasProgram, batches: Sequence[Batch]) -> str:
        programs.append(program)
        sizes.extend(len(batch.ids) for batch in batches)
        return rehearse(program, batches)

    monkeypatch.setattr(training, "rehearse", noted)
    memory = run(an_assignment(dataset_path, spec=a_spec(epochs=1)), Memory())
    assert sizes == [8, 6]
    assert [program.trace_counts for program in programs] == [(1, 1)]
    [rehearsal] = memory.rehearsals
    assert rehearsal.is_exact
    assert rehearsal.processor == memory.records[0].identity.processor
    assert memory.timings[0].train_s < rehearsal.seconds  # it traced the graph, and is in no figure of the epoch


def test_only_hardware_that_is_new_to_the_run_is_rehearsed_on(dataset_path: Path, uncut: Memory) -> None:
    begun = uncut.snapshots[0]
    elsewhere = replace(begun.record, identity=replace(begun.record.identity, processor="another"))
    known = resumed(dataset_path, begun, best=uncut.best, stop_after=1)
    new = resumed(dataset_path, replace(begun, record=elsewhere), best=uncut.best)

    assert [len(it.rehearsals) for it in (uncut, known, new)] == [1, 0, 1]
    assert new.records[-1].lineage == 2
    assert new.result == uncut.result  # it only said that it was another


def test_where_nothing_is_left_to_train_there_is_no_rehearsal(dataset_path: Path, uncut: Memory) -> None:
    done = uncut.records[-1]
    elsewhere = replace(done, identity=replace(done.identity, processor="another"))
    assert resumed(dataset_path, replace(uncut.snapshots[-1], record=elsewhere), best=uncut.best).rehearsals == []
    assert run(an_assignment(dataset_path), Memory(stop_after=0)).rehearsals == []


# What a rehearsal finds. Each of these layers does in a real graph what an operation of a real network may do.


def with_a_layer_that(act: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every base end with a layer that calls `act`."""
    import keras

    from qcqueue.engines.keras_tf import models

    class Acts(keras.layers.Layer):  # type: ignore[misc]
        def call(self, features: Any) -> Any:
            return act(features)

    def base(name: str, image_size: tuple[int, int], *, imagenet: bool) -> Any:
        small = small_base(name, image_size, imagenet=imagenet)
        return keras.Model(small.inputs, Acts()(small.outputs[0]))

    monkeypatch.setattr(models, "build_base", base)


def draws(features: Any) -> Any:
    import tensorflow as tf

    return features + tf.random.normal(tf.shape(features))


def has_no_deterministic_kernel(features: Any) -> Any:
    import tensorflow as tf

    def kernel(value: Any) -> Any:
        raise NotImplementedError(
            "A deterministic GPU implementation of DepthwiseConvBackpropFilter is not currently available."
        )

    result = tf.py_function(kernel, [features], tf.float32, name="DepthwiseConv2dNativeBackpropFilter")
    return tf.ensure_shape(result, features.shape)


def asks_the_time(features: Any) -> Any:
    import tensorflow as tf

    return features + tf.cast(tf.timestamp(), tf.float32)


def needs_petabytes(features: Any) -> Any:
    import tensorflow as tf

    side = tf.shape(features)[-1] * 0 + 2**25
    return features + tf.reduce_sum(tf.fill([side, side], features[0, 0]))


def test_hidden_randomness_ends_a_job_that_wants_to_be_exact(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_layer_that(draws, monkeypatch)
    memory = Memory()
    with pytest.raises(NotReproducible, match=r"differed, the first was the loss of step 1$") as caught:
        run(an_assignment(dataset_path), memory)

    [rehearsal] = memory.rehearsals
    assert not rehearsal.is_exact
    assert rehearsal.processor in str(caught.value)
    assert (memory.snapshots, memory.records, "training" in memory.phases) == ([], [], False)


def test_a_relaxed_job_is_told_and_goes_on(dataset_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_layer_that(draws, monkeypatch)
    memory = run(an_assignment(dataset_path, spec=a_spec(epochs=1, determinism="relaxed")), Memory())

    assert [rehearsal.is_exact for rehearsal in memory.rehearsals] == [False]
    assert memory.result is not None


@pytest.mark.parametrize(
    ("act", "kind", "raised", "sentence"),
    [
        (
            has_no_deterministic_kernel,
            DeterminismRefused,
            "UnimplementedError",
            r"^DepthwiseConv2dNativeBackpropFilter in \S*acts\S* has no deterministic implementation on ",
        ),
        (
            asks_the_time,
            DeterminismRefused,
            "FailedPreconditionError",
            r"^Timestamp in \S*acts\S* has no deterministic implementation on ",
        ),
        (
            needs_petabytes,
            OutOfMemory,
            "ResourceExhaustedError",
            r"ran out of memory: Fill in \S*acts\S* needs a tensor of shape \[33554432,33554432\]$",
        ),
    ],
)
def test_what_the_device_cannot_do_is_found_before_the_first_step_and_named(
    dataset_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Any], Any],
    kind: type[TrainingError],
    raised: str,
    sentence: str,
) -> None:
    with_a_layer_that(act, monkeypatch)
    memory = Memory()
    with pytest.raises(kind, match=sentence) as caught:
        run(an_assignment(dataset_path), memory)

    assert type(caught.value.__cause__).__name__ == raised
    assert (memory.rehearsals, memory.snapshots) == ([], [])
    assert memory.phases == ["loading", "building", "compiling"]


# From the trainer to whoever has to choose.


def rehearsal_in(spool: Spool) -> Rehearsal:
    return Rehearsal.from_json(parse_json((spool.folder / "rehearsal.json").read_bytes()))


def test_a_trainer_leaves_word_of_its_rehearsal(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool", dataset_path, max_epochs=1)
    assert carried_out(spool, SystemClock()) == 0
    assert rehearsal_in(spool).is_exact


def test_a_missing_kernel_is_a_typed_failure_that_becomes_a_sentence_with_the_choices(
    dataset_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_layer_that(has_no_deterministic_kernel, monkeypatch)
    spool = a_spool(tmp_path / "spool", dataset_path, spec=a_spec())
    assert carried_out(spool, SystemClock()) == FAILED
    failure = spool.failure.read()
    assert failure is not None
    assert failure.cause is Cause.DETERMINISM_REFUSED
    tried = Tried(processor="Tesla T4", on_gpu=True, begun_on=None, cpu=None)
    held = remedy(failure.cause, failure.message, a_spec(device="gpu"), tried)
    assert isinstance(held, Hold)
    assert held.why.startswith("DepthwiseConv2dNativeBackpropFilter in ")
    assert held.why.endswith('. Choose: enqueue it under another name with device = "cpu" or determinism = "relaxed"')
