"""The probe measures one fixed step, where it costs least, and leaves no trace in what is trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.clock import Clock, SystemClock
from tests.engines.test_exact_resume import STEPS, Late, assert_same_end, resumed
from tests.engines.test_trainer import a_spool, carried_out
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def unprobed(dataset_path: Path) -> Memory:
    from qcqueue.engines import probe

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "measured_s", lambda clock: None)
        memory = run(an_assignment(dataset_path), Memory())
    assert memory.probes == []
    return memory


@pytest.fixture(scope="module")
def begun(dataset_path: Path) -> Memory:
    """A run that was cut within its second epoch."""
    return run(an_assignment(dataset_path), Memory(stop_after=STEPS + 1))


# What it leaves alone.


def test_a_run_that_was_probed_has_the_bits_of_one_that_was_not(dataset_path: Path, unprobed: Memory) -> None:
    probed = run(an_assignment(dataset_path), Memory())
    assert len(probed.probes) == 1
    assert probed.probes[0] > 0
    assert_same_end(probed, unprobed)


@pytest.mark.parametrize("calls", [0, 2, 3, 9])
def test_a_segment_that_was_probed_has_the_bits_of_one_that_was_not(
    dataset_path: Path, unprobed: Memory, begun: Memory, calls: int
) -> None:
    cut = resumed(dataset_path, Late(begun.snapshots[-1], calls), best=begun.best)
    assert len(cut.probes) == 1
    assert_same_end(cut, unprobed)


def test_it_draws_from_no_generator_and_counts_no_name() -> None:
    import keras
    import tensorflow as tf

    from qcqueue.engines.probe import measured_s

    def drawn_after(*, probing: bool) -> list[object]:
        """Draw from Python's, TensorFlow's and Keras' generators, and have Keras name a layer."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        if probing:
            assert measured_s(SystemClock())
        layer = keras.layers.Dense(3)
        layer.build((1, 4))  # its kernel is drawn with a seed from Python's
        draws = (layer.kernel.value, tf.random.uniform((4,)), keras.random.uniform((4,)))
        return [layer.name, *(value.numpy().tobytes() for value in draws)]

    assert drawn_after(probing=True) == drawn_after(probing=False)


# When it is made.


def test_it_is_made_while_a_state_is_on_its_way_once_the_program_is_ready(
    dataset_path: Path, begun: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines import probe

    memory = Memory(best=dict(begun.best))
    seen = list[list[str]]()

    def noted(clock: Clock) -> float:
        seen.append(list(memory.phases))
        return 1.0

    monkeypatch.setattr(probe, "measured_s", noted)
    run(an_assignment(dataset_path, resume_from=Late(begun.snapshots[-1], 3)), memory)
    assert seen == [["loading", "building", "compiling"]]
    assert memory.phases[:5] == ["loading", "building", "compiling", "restoring", "compiling"]


def test_where_nothing_is_waited_for_it_is_made_before_the_first_step_and_is_in_no_figure_of_the_epoch(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines import probe
    from qcqueue.engines.run import train

    class Jumping(SystemClock):
        ahead_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.ahead_s

    clock, memory = Jumping(), Memory()
    seen = list[list[str]]()

    def takes_an_hour(_: Clock) -> float:
        seen.append(list(memory.phases))
        clock.ahead_s += HOUR_S
        return 1.0

    monkeypatch.setattr(probe, "measured_s", takes_an_hour)
    assignment = an_assignment(dataset_path, spec=a_spec(epochs=1))
    train(replace(assignment, best=lambda epoch: memory.best[epoch]), memory, clock)
    assert seen == [["loading", "building", "compiling"]]
    assert memory.probes == [1.0]
    [timing] = memory.timings
    assert 0 < timing.train_s < HOUR_S
    assert all(rehearsal.seconds < HOUR_S for rehearsal in memory.rehearsals)


def test_where_it_goes_on_on_hardware_it_knows_the_first_step_is_timed_without_it(
    dataset_path: Path, begun: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.probe import Probe

    made = list[float]()

    def make(probe: Probe) -> float:
        made.append(-HOUR_S)
        return -HOUR_S  # what it took is taken off the first step

    monkeypatch.setattr(Probe, "make", make)
    cut = resumed(dataset_path, begun.snapshots[-1], best=begun.best)
    assert (made, cut.rehearsals) == ([-HOUR_S], [])
    assert HOUR_S < (cut.timings[0].first_step_s or 0) < 2 * HOUR_S


def test_where_nothing_is_left_to_train_there_is_none(dataset_path: Path, unprobed: Memory) -> None:
    done = replace(unprobed.snapshots[-1], record=unprobed.records[-1])
    assert resumed(dataset_path, done, best=unprobed.best).probes == []
    assert run(an_assignment(dataset_path), Memory(stop_after=0)).probes == []


def test_a_device_that_cannot_make_it_trains_all_the_same(
    dataset_path: Path, unprobed: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    def out_of_memory(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "no memory is left")

    monkeypatch.setattr(tf.nn, "conv2d", out_of_memory)
    memory = run(an_assignment(dataset_path), Memory())
    assert memory.probes == []
    assert_same_end(memory, unprobed)


# What it measures.


def test_the_fastest_step_counts_and_never_the_one_that_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.engines import probe

    class Worked(SystemClock):
        now = 0.0

        def monotonic_s(self) -> float:
            return self.now

    def fastest_of(*seconds: float) -> tuple[float, int]:
        clock, left = Worked(), list(seconds)

        def step() -> float:
            clock.now += left.pop(0)
            return 0.0

        return probe._fastest_s(step, clock), len(left)

    monkeypatch.setattr(probe, "LASTS_S", 10.0)
    monkeypatch.setattr(probe, "LEAST_STEPS", 3)
    assert fastest_of(1.0, 9.0, 8.0, 7.0) == (7.0, 0)
    assert fastest_of(1.0, 4.0, 3.0, 2.0, 2.5, 1.0) == (2.0, 1)


def test_the_step_is_the_one_it_has_always_been() -> None:
    """Golden: a probe of today is compared with those that are stored."""
    from qcqueue.engines.probe import _fixed_step

    step = _fixed_step()
    losses = [float(step()) for _ in range(3)]
    assert losses[0] == pytest.approx(1.8135e-4, rel=2e-3)  # a GPU may compute with fewer bits
    assert losses[0] > losses[1] > losses[2]


def test_a_trainer_leaves_word_of_its_probe(dataset_path: Path, tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool", dataset_path, max_epochs=1)
    assert spool.probe_s() is None
    assert carried_out(spool, SystemClock()) == 0
    assert (spool.probe_s() or 0) > 0
