"""What one drill has shown, as a value, and as a file that can be handed on and read again.

It says what was compared, on what, and every kill. Its digest is over everything else in it, so a certificate that was
changed by accident is known; whoever forges one can compute it too. Reading is strict: a field too many, one too few,
or of another kind, is refused, and `equal` is never believed but found again from the digests.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qcqueue.core.evaluation import Appraisal, Result
from qcqueue.core.goodput import Goodput, Part
from qcqueue.core.lineage import software
from qcqueue.core.records import Identity
from qcqueue.drill.kills import MOMENTS, Kill, KillPoint
from qcqueue.errors import DigestMismatch, UserError
from qcqueue.queue.values import JobDetail
from qcqueue.reports.study import Proof
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.canonical_json import canonical_json, digest_of, parse_json
from qcqueue.text.humanize import count, duration

FORMAT = 1
LARGEST_BYTES = 4_000_000
MOST_CERTIFICATES = 1000
MOST_KILLS = 100_000
LONGEST_TEXT = 300
MOST = 1e12
_HINT = "qcqueue drill FILE --out certificate.json makes one"
NAME = re.compile(r"[a-z0-9_]{1,60}")
SHA256 = re.compile(r"[0-9a-f]{64}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")

Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one set of weights is worth on one split."""

    epoch: int
    split: str
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one drill has shown. interruptions is what the queue recorded, kills what was done to it.

    undisturbed and cut hold digests by what was compared. store is the kind of store in which the run that was cut
    lived. attempts, step_resumes and the seconds are of that run: how often the middle of an epoch was gone on from,
    and how long machines were held, work lost and work done again; None where no session could write that down.
    """

    made_at: str
    qcqueue: str
    job: str
    spec_sha256: str
    dataset_sha256: str
    store: str
    seed: int
    kills: tuple[Kill, ...]
    kills_in_attempts: int
    interruptions: int
    attempts: int
    step_resumes: int
    held_s: float | None
    lost_s: float | None
    redone_s: float | None
    identity: Identity
    undisturbed: dict[str, str]
    cut: dict[str, str]
    figures: tuple[Figures, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every digest agrees and every kill inside an attempt was recorded as an interruption."""
        return self.undisturbed == self.cut and self.interruptions == self.kills_in_attempts

    @property
    def kills_by_moment(self) -> dict[str, int]:
        """How many kills fell in each moment, in the order of a session's life, those without any left out."""
        fell = Counter(kill.moment for kill in self.kills)
        return {moment: fell[moment] for moment in MOMENTS if fell[moment]}

    def proof_among(self, jobs: Sequence[JobDetail]) -> Proof:
        """Return what a report on these jobs shows of it."""
        return Proof(
            job=self.job,
            is_equal=self.is_equal,
            ran_on=ran_on(self.identity),
            kills=tuple(f"{kill.moment}, after {duration(kill.after_s)}" for kill in self.kills),
            undisturbed=self.undisturbed,
            cut=self.cut,
            kills_by_moment=self.kills_by_moment,
            facts=(
                f"Made at {self.made_at}, with {versions_of(self)}; seed {self.seed}; the killed run "
                f"kept its queue in a {self.store} store.",
                _what_it_took(self),
                *(
                    f"Epoch {it.epoch}, {it.split}: loss {it.loss:.4f}, accuracy {it.accuracy:.1%}, the same in both "
                    "runs."
                    for it in self.figures
                    if self.is_equal
                ),
            ),
            warning=_warning(self, jobs),
        )

    def to_json(self) -> dict[str, Any]:
        said = {
            "format": FORMAT,
            **asdict(self),
            "identity": self.identity.to_document(),
            "kills_by_moment": self.kills_by_moment,
            "equal": self.is_equal,
        }
        return said | {"certificate_sha256": digest_of(said)}


def _what_it_took(certificate: Certificate) -> str:
    said = (
        f"{certificate.kills_in_attempts} of the kills fell inside an attempt, "
        f"{count(certificate.interruptions, 'interruption')} recorded; {count(certificate.attempts, 'attempt')}, of "
        f"which {certificate.step_resumes} went on from the middle of an epoch"
    )
    if certificate.held_s is None or certificate.lost_s is None or certificate.redone_s is None:
        return f"{said}."
    return (
        f"{said}; {duration(certificate.lost_s)} of {duration(certificate.held_s)} were lost, "
        f"{duration(certificate.redone_s)} done again."
    )


def _warning(certificate: Certificate, jobs: Sequence[JobDetail]) -> str | None:
    """Say what a reader of this report would otherwise take for granted: that the job that was drilled is in it."""
    if certificate.spec_sha256 not in {detail.spec.digest for detail in jobs}:
        return "This is the drill of another job than those of this report: its spec is not among them."
    if certificate.dataset_sha256 not in {detail.dataset_sha256 for detail in jobs}:
        return "This is the drill of a job of this report on other images: its dataset is not among those used here."
    return None


def certify(
    undisturbed: JobDetail,
    cut: JobDetail,
    *,
    kills: tuple[Kill, ...],
    kills_in_attempts: int,
    seed: int,
    store: str,
    goodput: Goodput | None,
    version: str,
    made_at: str,
) -> Certificate:
    """Compare two finished runs of one spec."""
    is_known = goodput is not None and goodput.held_s > 0
    seconds: Mapping[str, float] = goodput.seconds if goodput is not None and is_known else {}
    return Certificate(
        made_at=made_at,
        qcqueue=version,
        job=cut.line.name,
        spec_sha256=cut.spec.digest,
        dataset_sha256=cut.dataset_sha256,
        store=store,
        seed=seed,
        kills=kills,
        kills_in_attempts=kills_in_attempts,
        interruptions=cut.line.interruptions,
        attempts=cut.line.attempts,
        step_resumes=step_resumes(cut),
        held_s=goodput.held_s if goodput is not None and is_known else None,
        lost_s=seconds.get(Part.LOST),
        redone_s=seconds.get(Part.REDONE),
        identity=cut.epochs[-1].identity,
        undisturbed=_digests(_result(undisturbed)),
        cut=_digests(_result(cut)),
        figures=_figures(_result(cut)),
    )


def step_resumes(detail: JobDetail) -> int:
    """Return from how many saves within an epoch the run went on: the newest of all when an attempt began that then
    saved something itself."""
    saved = {checkpoint.attempt for checkpoint in detail.checkpoints}
    steps = max((epoch.timing.step_count for epoch in detail.epochs), default=0)
    before = (
        next((it for it in reversed(detail.checkpoints) if it.attempt < attempt.number), None)
        for attempt in detail.attempts
        if attempt.number in saved
    )
    return len({it.state_sha256 for it in before if it and 0 < it.steps_done < steps})


def ran_on(identity: Identity) -> str:
    """Say on what a run was computed, for a certificate."""
    return (
        f"{identity.processor}, {identity.instruction_set}, {count(identity.threads, 'thread')}, "
        f"{', '.join(software(identity))}"
    )


def versions_of(certificate: Certificate) -> str:
    """Say with what a run was computed."""
    identity = certificate.identity
    gpu = f", CUDA {identity.cuda}, cuDNN {identity.cudnn}" if identity.cuda else ""
    return f"qcqueue {certificate.qcqueue}, Python {identity.python}, numpy {identity.numpy}{gpu}"


def document_of(certificates: Sequence[Certificate]) -> dict[str, Any]:
    """Return what `drill --json` prints and `drill --out` writes."""
    return {"certificates": [certificate.to_json() for certificate in certificates]}


def write_certificates(path: Path, certificates: Sequence[Certificate]) -> None:
    """Raises: UserError: the file cannot be written."""
    try:
        path.write_text(json.dumps(document_of(certificates), indent=2, ensure_ascii=False), encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc.strerror or exc}", hint="--out ANOTHER-FILE") from exc


def read_certificates(path: Path) -> tuple[Certificate, ...]:
    """Read what `drill --out` wrote; the file may come from anybody.

    Raises: UserError: it holds something else. DigestMismatch: a certificate was changed after it was made.
    """
    try:
        content = read_regular(path, bytes_max=LARGEST_BYTES)
    except NotRegularError as exc:
        raise UserError(f"{path} {exc}, and no certificate", hint=_HINT) from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror or exc}", hint=_HINT) from exc
    try:
        document = _object(parse_json(content), "certificates", also=("schema_version",))
        return tuple(map(_certificate, _list(document["certificates"], MOST_CERTIFICATES)))
    except DigestMismatch as exc:
        raise DigestMismatch(f"{path}: {exc}", hint=_HINT) from exc
    except ValueError as exc:
        raise UserError(f"{path} holds no certificates of a drill: {exc}", hint=_HINT) from exc


def _certificate(value: Any) -> Certificate:
    checks: Mapping[str, Check] = {
        "made_at": _matching(DATE),
        "qcqueue": _text,
        "job": _text,
        "spec_sha256": _matching(SHA256),
        "dataset_sha256": _matching(SHA256),
        "store": _text,
        "seed": _whole,
        "kills": _kills,
        "kills_in_attempts": _number,
        "interruptions": _number,
        "attempts": _number,
        "step_resumes": _number,
        "held_s": _maybe_measure,
        "lost_s": _maybe_measure,
        "redone_s": _maybe_measure,
        "identity": _identity,
        "undisturbed": _digests_in,
        "cut": _digests_in,
        "figures": lambda value: tuple(map(_figures_in, _list(value, 100))),
    }
    found = _object(value, "format", *checks, "kills_by_moment", "equal", "certificate_sha256")
    if type(found["format"]) is not int or found["format"] != FORMAT:
        raise ValueError(f"this qcqueue reads certificates of format {FORMAT} only")
    certificate = Certificate(**{name: check(found[name]) for name, check in checks.items()})
    said = {name: it for name, it in found.items() if name != "certificate_sha256"}
    if found["certificate_sha256"] != digest_of(said) or canonical_json(certificate.to_json()) != canonical_json(found):
        raise DigestMismatch(f"the certificate of {certificate.job} was changed after it was made")
    return certificate


def _kills(value: Any) -> tuple[Kill, ...]:
    return tuple(map(_kill, _list(value, MOST_KILLS)))


def _kill(value: Any) -> Kill:
    found = _object(value, "moment", "aimed", "after_s")
    return Kill(moment=_moment(found["moment"]), aimed=_moment(found["aimed"]), after_s=_measure(found["after_s"]))


def _figures_in(value: Any) -> Figures:
    found = _object(value, *_names(Figures))
    return Figures(
        epoch=_number(found["epoch"]),
        split=_text(found["split"]),
        loss=_measure(found["loss"]),
        accuracy=_measure(found["accuracy"]),
    )


def _identity(value: Any) -> Identity:
    optional = tuple(field.name for field in fields(Identity) if field.default is None)
    told = Identity.from_json(value).to_document()
    found = _object(value, *(name for name in told if name not in optional), also=optional)
    checks: dict[str, Check] = {name: _any_text for name in found}
    checks |= {"threads": _number, "deterministic": _yes_or_no, "multiprocessors": _number, "tf32": _yes_or_no}
    checks |= {"memory_limit": _number}
    return Identity.from_json({name: checks[name](it) for name, it in found.items()})


def _digests_in(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not 1 <= len(value) <= 100:
        raise ValueError("the digests of a run are missing")
    return {_matching(NAME)(name): _matching(SHA256)(digest) for name, digest in value.items()}


def _object(value: Any, *names: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object is missing where one must be")
    if missing := [name for name in names if name not in value]:
        raise ValueError(f"{missing[0]} is missing")
    if unknown := [name for name in value if name not in (*names, *also)]:
        raise ValueError(f"unknown field {unknown[0][:40]!r}")
    return value


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"a list of at most {most} is missing where one must be")
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{_shown(value)} is not what must be there")
        return value

    return check


def _any_text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError(f"{_shown(value)} is no text of at most {LONGEST_TEXT} characters")
    return value


def _text(value: Any) -> str:
    if not _any_text(value):
        raise ValueError("a text is empty that must not be")
    return str(value)


def _moment(value: Any) -> KillPoint:
    for moment in MOMENTS:
        if value == moment:
            return moment
    raise ValueError(f"{_shown(value)} is no moment of a session")


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) >= 1 << 64:
        raise ValueError(f"{_shown(value)} is no whole number")
    return value


def _number(value: Any) -> int:
    if not 0 <= _whole(value) <= MOST:
        raise ValueError(f"{_shown(value)} is no number of things")
    return int(value)


def _measure(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MOST:
        raise ValueError(f"{_shown(value)} is no measure")
    measure: float = value
    return measure


def _maybe_measure(value: Any) -> float | None:
    return None if value is None else _measure(value)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:60]


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _result(detail: JobDetail) -> Result:
    assert detail.result is not None, "certified runs are finished"
    return detail.result


def _digests(result: Result) -> dict[str, str]:
    return {
        "weights_sha256": result.last.weights_sha256,
        "history_sha256": result.history_sha256,
        "predictions_sha256": result.last.predictions_sha256,
        "best_weights_sha256": result.best.weights_sha256,
        "best_predictions_sha256": result.best.predictions_sha256,
        "validation_sha256": digest_of([asdict(it.validation) for it in (result.last, result.best)]),
        "test_sha256": digest_of([asdict(it.test) for it in (result.last, result.best)]),
    }


def _figures(result: Result) -> tuple[Figures, ...]:
    appraisals = (result.last, result.best) if result.best.epoch != result.last.epoch else (result.last,)
    return tuple(figures for appraisal in appraisals for figures in _figures_of(appraisal))


def _figures_of(appraisal: Appraisal) -> tuple[Figures, ...]:
    return tuple(
        Figures(epoch=appraisal.epoch, split=split, loss=evaluation.loss, accuracy=evaluation.accuracy)
        for split, evaluation in (("validation", appraisal.validation), ("test", appraisal.test))
    )
