"""Records keep every bit on their way through JSON, and early stopping and the best epoch follow from history alone."""

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.records import (
    EpochMetrics,
    EpochTiming,
    Identity,
    PartialEpoch,
    TrainingRecord,
    best_epoch,
    history_sha256,
    should_stop_early,
)
from qcqueue.text.canonical_json import canonical_json, parse_json

IDENTITY = Identity(
    processor="cpu",
    instruction_set="avx2",
    threads=2,
    deterministic=True,
    python="3.11.7",
    framework="tensorflow",
    framework_version="2.20.0",
    library="keras",
    library_version="3.13.2",
    numpy="2.4.6",
)
FRESH = TrainingRecord(
    spec_sha256="0" * 64, epochs_done=0, partial=PartialEpoch(), history=(), identity=IDENTITY, lineage=1
)


def epoch(number: int, val_loss: float) -> EpochMetrics:
    return EpochMetrics(epoch=number, loss=0.5, accuracy=0.75, val_loss=val_loss, val_accuracy=0.5, learning_rate=1e-4)


def history(*val_losses: float) -> tuple[EpochMetrics, ...]:
    return tuple(epoch(number, val_loss) for number, val_loss in enumerate(val_losses, start=1))


@pytest.mark.parametrize(
    ("val_losses", "best"),
    [((), None), ((0.3,), 1), ((0.3, 0.2, 0.4), 2), ((0.3, 0.2, 0.2), 2), ((0.1, 0.2), 1), ((0.2, 0.1), 2)],
)
def test_the_best_epoch_has_the_lowest_validation_loss_and_the_earliest_wins(
    val_losses: tuple[float, ...], best: int | None
) -> None:
    assert best_epoch(history(*val_losses)) == best
    assert replace(FRESH, history=history(*val_losses)).best_epoch == best


@pytest.mark.parametrize(
    ("val_losses", "patience", "stops"),
    [
        ((), 1, False),
        ((0.1,), 1, False),
        ((0.1, 0.2), 1, True),
        ((0.1, 0.1), 1, True),  # no lower loss is no improvement
        ((0.2, 0.1), 1, False),
        ((0.1, 0.2), 2, False),
        ((0.1, 0.2, 0.3), 2, True),
        ((0.1, 0.2, 0.05, 0.3), 2, False),
        ((0.1, 0.2, 0.3, 0.4), 0, False),
    ],
)
def test_early_stopping_waits_for_as_many_epochs_as_its_patience(
    val_losses: tuple[float, ...], patience: int, stops: bool
) -> None:
    assert should_stop_early(history(*val_losses), patience=patience) is stops


def test_a_finished_epoch_clears_the_partial_one_and_leaves_the_rest() -> None:
    before = replace(FRESH, partial=PartialEpoch(steps_done=3, loss_sum=1.5, seen=24))
    after = before.with_epoch(epoch(1, 0.3), patience=0)
    assert (after.epochs_done, after.partial, after.history, after.stopped_early) == (
        1,
        PartialEpoch(),
        history(0.3),
        False,
    )
    assert replace(after, epochs_done=0, partial=before.partial, history=()) == before


def test_early_stopping_is_decided_with_the_epoch_that_decides_it() -> None:
    record = FRESH.with_epoch(epoch(1, 0.1), patience=1)
    assert not record.stopped_early
    assert record.with_epoch(epoch(2, 0.2), patience=1).stopped_early


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)
PARTIALS = st.builds(
    PartialEpoch,
    steps_done=COUNTS,
    loss_sum=FLOATS,
    correct=COUNTS,
    seen=COUNTS,
    first_steps_s=st.lists(FLOATS, max_size=3).map(tuple),
    step_times_s=st.lists(FLOATS, max_size=3).map(tuple),
)
EPOCHS = st.builds(
    EpochMetrics,
    epoch=st.integers(1, 1000),
    loss=FLOATS,
    accuracy=FLOATS,
    val_loss=FLOATS,
    val_accuracy=FLOATS,
    learning_rate=FLOATS,
)


@given(partial=PARTIALS, rows=st.lists(EPOCHS, max_size=4).map(tuple), stopped=st.booleans())
def test_a_record_comes_back_bit_for_bit(partial: PartialEpoch, rows: tuple[EpochMetrics, ...], stopped: bool) -> None:
    record = replace(FRESH, partial=partial, history=rows, epochs_done=len(rows), stopped_early=stopped)
    text = canonical_json(record.to_json())
    read = TrainingRecord.from_json(parse_json(text))
    assert read == record
    assert canonical_json(read.to_json()) == text  # equality takes -0.0 for 0.0; the text does not
    assert history_sha256(read.history) == history_sha256(rows)


@pytest.mark.parametrize("value", [0.1, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -0.0, 1 / 3])
def test_floats_keep_their_bits(value: float) -> None:
    record = replace(FRESH, history=(epoch(1, value),))
    read = TrainingRecord.from_json(parse_json(canonical_json(record.to_json())))
    assert read.history[0].val_loss.hex() == value.hex()


def test_the_history_digest_is_the_one_of_the_first_release() -> None:
    rows = (epoch(1, 0.1 + 0.2), replace(epoch(2, 1e-07), loss=1 / 3))
    assert history_sha256(rows) == "866286c6566b26500f627228f48d58d277996fa3db4b29e52d7678818396688c"
    assert history_sha256(()) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


def test_the_history_digest_sees_the_last_bit_and_no_timing() -> None:
    assert history_sha256(history(0.1 + 0.2)) != history_sha256(history(0.3))
    assert not {field.name for field in fields(EpochMetrics)} & {
        field.name for field in fields(EpochTiming) if field.name.endswith("_s")
    }


@pytest.mark.parametrize("field", [field.name for field in fields(Identity)])
def test_only_what_decides_bits_is_a_difference(field: str) -> None:
    here = replace(IDENTITY, cudnn_loaded="9.3.0", compute_capability="7.5", multiprocessors=40, driver="550.54.15")
    here = replace(here, step="graph", step_fingerprint="ab", tf32=True, memory_limit=1 << 33)
    there = Identity(**(asdict(here) | {field: "other"}))
    assert here.differences(there) == (() if field in ("python", "numpy", "driver", "memory_limit") else (field,))
    assert here.differences(here) == ()


def test_what_an_older_record_does_not_know_is_no_difference() -> None:
    older = Identity(**IDENTITY.to_json())
    newer = replace(older, cudnn_loaded="9.3.0", compute_capability="7.5", multiprocessors=40, driver="550.54.15")
    assert older.differences(newer) == newer.differences(older) == ()


def test_a_run_that_names_no_step_goes_on_as_graph_and_as_nothing_else() -> None:
    older = Identity(**IDENTITY.to_json())
    graph, fused = replace(older, step="graph", tf32=True), replace(older, step="fused", tf32=True)
    assert "step" not in older.to_json()
    assert older.differences(graph) == graph.differences(older) == ()
    assert older.differences(fused) == fused.differences(older) == ("step",)


def test_an_identity_says_only_what_it_knows() -> None:
    assert set(IDENTITY.to_json()) == {
        "processor", "instruction_set", "threads", "deterministic", "python", "framework", "framework_version",
        "library", "library_version", "numpy", "cuda", "cudnn",
    }  # fmt: skip
    newer = replace(IDENTITY, multiprocessors=40)
    assert Identity(**newer.to_json()) == newer


def test_a_record_that_does_not_name_its_rule_follows_the_older_one() -> None:
    older = replace(FRESH, loss_rule="clipped")
    assert "loss_rule" not in older.to_json()
    assert TrainingRecord.from_json(older.to_json()) == older
    newer = replace(FRESH, loss_rule="logits")
    assert TrainingRecord.from_json(parse_json(canonical_json(newer.to_json()))).loss_rule == "logits"


OLDER = {
    "processor": "cpu", "instruction_set": "avx2", "threads": 2, "deterministic": True, "python": "3.12",
    "tensorflow": "2.20.0", "keras": "3.13.2", "numpy": "2.1", "cuda": "", "cudnn": "",
}  # fmt: skip
"""An identity as a record of before database format 7 holds it."""


def test_the_identity_of_an_older_record_is_that_of_today() -> None:
    here = Identity.from_json(OLDER)
    assert (here.versions, here.differences(here)) == ({"tensorflow": "2.20.0", "keras": "3.13.2"}, ())
    assert Identity.from_json(here.to_json()) == here
    assert here.differences(Identity.from_json(OLDER | {"tensorflow": "2.21.0"})) == ("framework_version",)
    begun = FRESH.to_json() | {"identity": OLDER}
    assert TrainingRecord.from_json(begun).identity == here


def test_documents_go_on_in_the_words_they_had() -> None:
    assert Identity.from_json(OLDER).to_document() == OLDER
    other = replace(IDENTITY, framework="toy", framework_version="1", library="", library_version="")
    assert other.to_document() == other.to_json()
    assert Identity.from_json(other.to_document()) == other


@pytest.mark.parametrize(
    "changed", [{"framework": "x"}, {"keras": 3}, {"tensorflow": None}, {"library": "keras", "framework": "x"}]
)
def test_an_identity_in_the_words_of_both_times_or_of_none_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Identity.from_json(OLDER | changed)
    for name in ("tensorflow", "keras"):
        with pytest.raises(ValueError, match=r"."):
            Identity.from_json({key: value for key, value in OLDER.items() if key != name})
