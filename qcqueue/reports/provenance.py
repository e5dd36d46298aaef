"""What the numbers come from, as one archive to lay beside a paper: specs, machines, sessions, digests, certificates.

The same study gives the same bytes: the entries are sorted and all have the earliest date an archive knows. Names of
jobs are not names of files: an entry is called by its place in the report.
"""

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from qcqueue.core.records import EpochMetrics, EpochTiming
from qcqueue.queue.sessions import SessionLine
from qcqueue.queue.values import DatasetLine, EpochLine, JobDetail
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import iso

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16
_ABOUT = """What the numbers of this report come from.

jobs/          one file a job, in the order of the report: its spec, every epoch, its attempts with the machine and the
               software of each, its saves, its story, its result with the digests of weights, history and predictions
datasets.json  the datasets, by the SHA-256 of their bytes
sessions.json  every life of a machine and what its time went into, in seconds
certificates.json  the drills that were attached: what killed and undisturbed runs ended with

Digests are SHA-256. Times end in _s and are seconds, instants are seconds since 1970 UTC and ISO 8601 beside it.
"""


def provenance_zip(findings: Findings) -> bytes:
    """Return the archive."""
    study = findings.study
    entries = {
        "README.txt": _ABOUT.encode(),
        "datasets.json": json_of([_dataset(line) for line in study.datasets]),
        "sessions.json": json_of([_session(line) for line in study.sessions]),
        "certificates.json": json_of(list(study.certificates)),
        **{f"jobs/{place:03d}.json": json_of(_job(detail)) for place, detail in enumerate(study.details, start=1)},
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            about = zipfile.ZipInfo(name, _EARLIEST)
            about.compress_type, about.external_attr, about.create_system = zipfile.ZIP_DEFLATED, _READABLE_BY_ALL, 3
            archive.writestr(about, entries[name])
    return content.getvalue()


def _job(detail: JobDetail) -> Mapping[str, Any]:
    return {
        "name": detail.line.name,
        "state": str(detail.line.state),
        "spec": detail.spec.to_json(),
        "spec_sha256": detail.spec.digest,
        "dataset_sha256": detail.dataset_sha256,
        "epochs": [_epoch(epoch) for epoch in detail.epochs],
        "attempts": [asdict(attempt) | {"started_at": iso(attempt.started_at_s)} for attempt in detail.attempts],
        "checkpoints": [asdict(checkpoint) for checkpoint in detail.checkpoints],
        "story": [asdict(line) | {"at": iso(line.at_s)} for line in detail.history],
        "result": detail.result.to_json() | {"loss_rule": detail.result.loss_rule} if detail.result else None,
        "predictions_sha256": detail.predictions_sha256,
    }


def _epoch(epoch: EpochLine) -> Mapping[str, Any]:
    # Field by field, because `asdict` copies all it finds, and there are thousands.
    return {
        **{name: getattr(epoch, name) for name in ("attempt", "official", "lineage", "recorded_at_s")},
        "metrics": {name: getattr(epoch.metrics, name) for name in EpochMetrics.__slots__},
        "timing": {name: getattr(epoch.timing, name) for name in EpochTiming.__slots__},
        "identity": epoch.identity.to_document(),
        "recorded_at": iso(epoch.recorded_at_s),
    }


def _dataset(line: DatasetLine) -> Mapping[str, Any]:
    return {
        "name": line.name,
        "sha256": line.blob.sha256,
        "size_bytes": line.blob.size_bytes,
        "added_at": iso(line.added_at_s),
        "summary": line.summary.to_json(),
    }


def _session(line: SessionLine) -> Mapping[str, Any]:
    return asdict(line) | {"started_at": iso(line.started_at_s), "held_s": line.held_s}


def json_of(value: object) -> bytes:
    """Return a value as JSON with sorted keys; a number that is none, such as a loss that ran away, as a word."""
    try:
        return _dumped(value)
    except ValueError:
        return _dumped(_finite(value))


def _dumped(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, default=dict)
    # Half a surrogate, as of a file name that is no UTF-8, is escaped by Python as JSON escapes it.
    return f"{text}\n".encode(errors="backslashreplace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return value
