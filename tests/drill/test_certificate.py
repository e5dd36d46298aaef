"""A certificate as a file: what is written is read again, and whatever else a file may hold is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.goodput import goodput_of
from qcqueue.drill.certificate import (
    LARGEST_BYTES,
    Certificate,
    certify,
    document_of,
    read_certificates,
    step_resumes,
    write_certificates,
)
from qcqueue.drill.kills import Kill
from qcqueue.errors import DigestMismatch, UserError
from qcqueue.queue.values import CheckpointLine, JobDetail
from qcqueue.text.canonical_json import digest_of
from tests.reports.studies import a_job, a_spec, epochs_of

KILLS = (
    Kill(moment="inside a commit", aimed="inside a commit", after_s=8.25),
    Kill(moment="between steps", aimed="while deleting", after_s=6.5),
    Kill(moment="at the start", aimed="at the start", after_s=0.5),
)


def a_run() -> JobDetail:
    detail = a_job(a_spec(), epochs_of(9, cuts=(3, 6)))
    return replace(detail, line=replace(detail.line, interruptions=2))


def a_certificate(**changes: Any) -> Certificate:
    made = certify(
        a_run(),
        a_run(),
        kills=KILLS,
        kills_in_attempts=2,
        seed=7,
        store="folder",
        goodput=goodput_of([{"train": 40.0, "lost": 12.5}]),
        version="9.9.9",
        made_at="2026-11-24T19:52:43.250Z",
    )
    return replace(made, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "certificate.json"


def test_what_is_written_is_read_again(path: Path) -> None:
    whole = [a_certificate(), a_certificate(held_s=None, lost_s=None, redone_s=None, seed=-1, kills=())]
    write_certificates(path, whole)
    assert list(read_certificates(path)) == whole


def test_what_is_known_of_a_gpu_is_read_again(path: Path) -> None:
    identity = replace(a_certificate().identity, cudnn_loaded="9.3.0", compute_capability="7.5", multiprocessors=40)
    identity = replace(identity, step="xla", step_fingerprint="ab" * 32, tf32=False, memory_limit=1 << 33)
    on_gpu = a_certificate(identity=replace(identity, driver="550.54.15"))
    write_certificates(path, [on_gpu])
    assert read_certificates(path) == (on_gpu,)


def test_what_drill_prints_is_read_too(path: Path) -> None:
    path.write_text(json.dumps({"schema_version": 1, **document_of([a_certificate()])}))
    assert read_certificates(path) == (a_certificate(),)


def test_it_says_what_was_compared_and_what_it_took() -> None:
    said = a_certificate().to_json()
    assert said["equal"]
    assert said["kills_by_moment"] == {"at the start": 1, "between steps": 1, "inside a commit": 1}
    assert (said["held_s"], said["lost_s"], said["redone_s"]) == (52.5, 12.5, 0.0)
    assert set(said["cut"]) == {
        "weights_sha256",
        "history_sha256",
        "predictions_sha256",
        "best_weights_sha256",
        "best_predictions_sha256",
        "validation_sha256",
        "test_sha256",
    }


def test_other_figures_are_another_result() -> None:
    run = a_run()
    assert run.result is not None
    last = replace(run.result.last, test=replace(run.result.last.test, accuracy=0.123))
    other = replace(run, result=replace(run.result, last=last))
    certificate = certify(
        run, other, kills=(), kills_in_attempts=2, seed=1, store="folder", goodput=None, version="1", made_at=""
    )
    assert not certificate.is_equal
    assert [it for it in certificate.cut if certificate.cut[it] != certificate.undisturbed[it]] == ["test_sha256"]
    assert certificate.lost_s is None


def test_a_kill_that_nobody_recorded_is_no_proof() -> None:
    assert not a_certificate(interruptions=1).is_equal


def test_only_saves_within_an_epoch_that_were_gone_on_from_count() -> None:
    run = a_run()
    steps = run.epochs[0].timing.step_count

    def saved(attempt: int, steps_done: int) -> CheckpointLine:
        return CheckpointLine(
            attempt=attempt,
            epochs_done=1,
            steps_done=steps_done,
            lineage=1,
            state_sha256=f"{attempt}/{steps_done}",
            packs=1,
            size_bytes=1,
            status="retired",
            recorded_at_s=0.0,
        )

    assert [attempt.number for attempt in run.attempts] == [1, 2, 3]
    within, whole = saved(1, steps - 1), saved(1, steps)
    assert step_resumes(replace(run, checkpoints=(whole, within, saved(2, 0), saved(3, 0)))) == 1
    assert step_resumes(replace(run, checkpoints=(within, whole, saved(2, 0), saved(3, 0)))) == 0
    assert step_resumes(replace(run, checkpoints=(within,))) == 0, "nobody has saved anything after it"


# Files from anybody


Change = Callable[[dict[str, Any]], Any]


def sealed(certificate: dict[str, Any]) -> dict[str, Any]:
    """Return it with the digest a forger would compute."""
    said = {name: value for name, value in certificate.items() if name != "certificate_sha256"}
    return said | {"certificate_sha256": digest_of(said)}


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it | {"more": 1},
        lambda it: {name: value for name, value in it.items() if name != "seed"},
        lambda it: it | {"format": 2},
        lambda it: it | {"format": True},
        lambda it: it | {"seed": 1.5},
        lambda it: it | {"seed": 10**30},
        lambda it: it | {"attempts": -1},
        lambda it: it | {"attempts": True},
        lambda it: it | {"lost_s": -1.0},
        lambda it: it | {"lost_s": "1"},
        lambda it: it | {"job": ""},
        lambda it: it | {"job": "x" * 301},
        lambda it: it | {"job": None},
        lambda it: it | {"made_at": "yesterday"},
        lambda it: it | {"spec_sha256": "A" * 64},
        lambda it: it | {"kills": {}},
        lambda it: it | {"kills": [1]},
        lambda it: it | {"kills": [it["kills"][0] | {"moment": "<script>"}]},
        lambda it: it | {"kills": [it["kills"][0] | {"more": 1}]},
        lambda it: it | {"cut": {}},
        lambda it: it | {"cut": {"<b>": "0" * 64}},
        lambda it: it | {"cut": {"weights_sha256": "0"}},
        lambda it: it | {"identity": it["identity"] | {"threads": "2"}},
        lambda it: it | {"identity": it["identity"] | {"deterministic": 1}},
        lambda it: it | {"identity": {}},
        lambda it: it | {"figures": [{"epoch": 1}]},
        lambda it: it | {"figures": [it["figures"][0] | {"loss": "low"}]},
        lambda it: [],
    ],
)
def test_a_field_of_another_kind_is_refused(change: Change, path: Path) -> None:
    changed = change(a_certificate().to_json())
    path.write_text(json.dumps({"certificates": [sealed(changed) if isinstance(changed, dict) else changed]}))
    with pytest.raises(UserError, match="holds no certificates of a drill: ") as caught:
        read_certificates(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it | {"seed": 8},
        lambda it: it | {"certificate_sha256": "0" * 64},
        lambda it: sealed(it | {"equal": False}),
        lambda it: sealed(it | {"kills_by_moment": {"at the start": 3}}),
    ],
)
def test_what_was_changed_afterwards_is_refused(change: Change, path: Path) -> None:
    path.write_text(json.dumps({"certificates": [change(a_certificate().to_json())]}))
    with pytest.raises(DigestMismatch, match="was changed after it was made"):
        read_certificates(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"certificates": {}}',
        b'{"certificates": [], "certificates": []}',
        b'{"certificates": [], "more": 1}',
        b'{"certificates": [NaN]}',
        b"[" * 100_000,
        b'{"certificates": [' + b"9" * 10_000 + b"]}",
        b" " * (LARGEST_BYTES + 1),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError):
        read_certificates(path)


def test_a_text_that_is_half_a_character_is_refused(path: Path) -> None:
    said = a_certificate().to_json() | {"job": "\ud800"}
    path.write_text(json.dumps({"certificates": [said]}))
    with pytest.raises(UserError):
        read_certificates(path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            read_certificates(path)
