"""The state file: all tensors of a run and the record that belongs to them, in one safetensors file.

    m/00000 ..   model.variables in order      o/00000 ..   optimizer.variables in order
    metadata     one key "qcqueue": canonical JSON {format, record, paths}

Tensors are keyed by group and position because Keras numbers paths by what a process built before; `paths` is
a cross-check for the reader. The file is a blob: its name in a store is the SHA-256 of all of it, so tensors
and record cannot part. A file is written under a temporary name and renamed: half a file is never read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.core.records import TrainingRecord
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.errors import CheckpointDamaged, UnknownFormat

FORMAT = 1


def write_state(path: Path, state: Snapshot) -> None:
    """Write `state` so that `path` either holds all of it or does not exist."""
    about = {"format": FORMAT, "record": state.record.to_json(), "paths": dict(state.paths)}
    write_tensors(path, state.tensors, about)


def write_tensors(path: Path, tensors: Tensors, about: Mapping[str, Any]) -> None:
    """Write tensors and one JSON object as a safetensors file, under a temporary name until it is whole."""
    unfinished = path.with_name(path.name + ".tmp")
    # Not ascontiguousarray, which gives a scalar (an optimizer's step counter) a dimension it does not have.
    contiguous = {key: np.asarray(value, order="C") for key, value in tensors.items()}
    save_file(contiguous, unfinished, metadata={"qcqueue": canonical_json(about)})
    unfinished.replace(path)


def read_state(path: Path) -> Snapshot:
    """Read a state file whose digest the caller has verified.

    Raises: CheckpointDamaged: not a whole state file. UnknownFormat: written by a newer qcqueue.
    """
    tensors, about = read_tensors(path)
    try:
        return Snapshot(tensors=tensors, record=TrainingRecord.from_json(about["record"]), paths=dict(about["paths"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise CheckpointDamaged(f"{path.name} holds no training record") from exc


def read_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the tensors and the JSON object of a file `write_tensors` wrote. Raises as `read_state`."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = _about(file, path)
            return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as exc:
        raise CheckpointDamaged(f"{path.name} is not a whole state file") from exc


def read_about(path: Path) -> dict[str, Any]:
    """Return only the JSON object of a state file, without its tensors. Raises as `read_state`."""
    try:
        with safe_open(path, framework="numpy") as file:
            return _about(file, path)
    except (SafetensorError, OSError, ValueError) as exc:
        raise CheckpointDamaged(f"{path.name} is not a whole state file") from exc


def _about(file: Any, path: Path) -> dict[str, Any]:
    about = parse_json((file.metadata() or {}).get("qcqueue", "{}"))
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise ValueError("it does not say its format")
    if about["format"] > FORMAT:
        raise UnknownFormat(f"{path.name} was written by a newer qcqueue; upgrade qcqueue")
    return about
