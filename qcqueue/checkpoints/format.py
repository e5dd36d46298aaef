"""The files of a state: packs with tensors, and a head with the last tensors and the record, all safetensors.

It owns how a file is written and checked; which tensors go into which is `packs`', where files lie `spool`'s. A pack
says nothing but its tensors, so equal tensors make equal files. A head's metadata has one key, "qcqueue": canonical
JSON {format, record, paths, tensors}. Files are written once and never changed.
"""

import contextlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from qcqueue.checkpoints.packs import HEAD, Buffer, Pack, grouped
from qcqueue.core.records import MODEL, Snapshot, Tensors, TrainingRecord
from qcqueue.errors import CheckpointDamaged, UnknownFormat
from qcqueue.stores.files import files_in, is_of_a_disk, of_this_machine
from qcqueue.text.canonical_json import canonical_json, parse_json

FORMAT = 2

SUFFIX = ".safetensors"
HEAD_NAME = HEAD + SUFFIX
_TYPES = {
    np.dtype(name): letters
    for name, letters in {
        "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32", "int32": "I32",
        "uint64": "U64", "int64": "I64", "float16": "F16", "float32": "F32", "float64": "F64",
    }.items()
}  # fmt: skip
_PIECE_BYTES = 8 << 20


def write_state(folder: Path, state: Snapshot) -> None:
    """Write all files of a state into `folder`."""
    packs = grouped(state)
    buffer = Buffer(packs, state.tensors)
    buffer.fill(state.tensors)
    for pack in packs:
        write_pack(folder, pack, buffer.views, buffer.part(pack), about_state(state) if pack.name == HEAD else None)


def about_state(state: Snapshot) -> dict[str, Any]:
    """Return what a head says of its state."""
    return {
        "format": FORMAT,
        "record": state.record.to_json(),
        "paths": dict(state.paths),
        "tensors": len(state.tensors),
    }


def write_pack(
    folder: Path, pack: Pack, shapes: Tensors, data: memoryview, about: Mapping[str, Any] | None = None
) -> Path:
    """Write one file: data are the bytes of its tensors, whose types and shapes are those of `shapes`."""
    path = folder / (pack.name + SUFFIX)
    _write(path, _header(pack.keys, shapes, about), data)
    return path


def write_tensors(path: Path, tensors: Tensors, about: Mapping[str, Any]) -> None:
    """Write tensors and one JSON object as one file, under a temporary name until it is whole."""
    unfinished = path.with_name(path.name + ".tmp")
    pack = Pack(name=path.name, keys=tuple(sorted(tensors, key=lambda key: -tensors[key].itemsize)))
    buffer = Buffer([pack], tensors)
    buffer.fill(tensors)
    try:
        _write(unfinished, _header(pack.keys, tensors, about), buffer.part(pack))
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def write_head_of_weights(path: Path, head: Path) -> None:
    """Write a head without tensors, of which a run cannot be taken up: what that of a state says of its model.

    Raises: as `read_about`.
    """
    about = read_about(head)
    try:
        paths = {key: name for key, name in about["paths"].items() if key.startswith(MODEL)}
    except (KeyError, AttributeError) as exc:
        raise _not_whole(head) from exc
    write_tensors(path, {}, {**about, "paths": paths, "tensors": len(paths)})


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of the state in a folder, the head last; none where there is no head."""
    packs = [path for path in files_in(folder, ending=SUFFIX) if path.name != HEAD_NAME]
    head = folder / HEAD_NAME
    return (*packs, head) if head.exists() else ()


def head_in(folder: Path) -> Path:
    """Return where the head of the state in a folder lies."""
    return folder / HEAD_NAME


def read_state(files: Sequence[Path]) -> Snapshot:
    """Read a state from its files, the head last, whose digests the caller has verified.

    Raises: CheckpointDamaged: not the whole files of one state. UnknownFormat: written by a newer qcqueue.
    """
    head = files[-1] if files else Path(HEAD_NAME)
    tensors, about = read_tensors(head)
    for path in files[:-1]:
        found = _tensors(path)
        if twice := found.keys() & tensors.keys():
            raise CheckpointDamaged(f"{path.name} holds tensor {min(twice)}, which another file of its state holds too")
        tensors |= found
    if len(tensors) != about.get("tensors", len(tensors)):  # format 1 had one file and no need to count
        raise CheckpointDamaged(f"the state holds {len(tensors)} tensors of {about['tensors']}")
    try:
        record, paths = TrainingRecord.from_json(about["record"]), dict(about["paths"])
        if not all(type(path) is str for path in paths.values()):
            raise ValueError("a path in it is no text")
        return Snapshot(tensors=dict(sorted(tensors.items())), record=record, paths=paths)
    except (KeyError, TypeError, ValueError) as exc:
        raise CheckpointDamaged(f"{head.name} holds no training record") from exc


def read_model(files: Iterable[Path]) -> Tensors:
    """Return the model's tensors among those of some files. Raises: CheckpointDamaged."""
    return {key: value for path in files for key, value in _tensors(path, MODEL).items()}


def holds_model(path: Path) -> bool:
    """Return whether a file holds tensors of the model. Raises: CheckpointDamaged."""
    with _opened(path) as file:
        return any(key.startswith(MODEL) for key in file.keys())  # noqa: SIM118 (not a mapping)


def read_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the tensors and the JSON object of a file that has one. Raises as `read_state`."""
    return _tensors(path), read_about(path)


def read_about(path: Path) -> dict[str, Any]:
    """Return only the JSON object of a file, without its tensors. Raises as `read_state`."""
    with _opened(path) as file:
        try:
            about = parse_json((file.metadata() or {}).get("qcqueue", "{}"))
        except ValueError as exc:
            raise _not_whole(path) from exc
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise _not_whole(path)
    if about["format"] > FORMAT:
        raise UnknownFormat(f"{path.name} was written by a newer qcqueue; upgrade qcqueue")
    return about


def _tensors(path: Path, beginning: str = "") -> dict[str, npt.NDArray[Any]]:
    with _opened(path) as file:
        try:
            return {key: file.get_tensor(key) for key in file.keys() if key.startswith(beginning)}  # noqa: SIM118
        except (SafetensorError, ValueError) as exc:
            raise _not_whole(path) from exc


def _opened(path: Path) -> Any:
    """Open a file; the library compares what its header promises with its size before anything is allocated."""
    try:
        return safe_open(path, framework="numpy")
    except OSError as exc:
        if is_of_a_disk(exc, path):
            raise of_this_machine(path, exc) from exc
        raise _not_whole(path) from exc
    except (SafetensorError, ValueError) as exc:
        raise _not_whole(path) from exc


def _not_whole(path: Path) -> CheckpointDamaged:
    return CheckpointDamaged(f"{path.name} is not a whole state file")


def _header(keys: Collection[str], shapes: Tensors, about: Mapping[str, Any] | None) -> bytes:
    """Return the beginning of a safetensors file: its length in 8 bytes, then JSON, filled up with spaces."""
    entries: dict[str, Any] = {} if about is None else {"__metadata__": {"qcqueue": canonical_json(about)}}
    at = 0
    for key in keys:
        tensor = shapes[key]
        end = at + tensor.nbytes
        entries[key] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write(path: Path, header: bytes, data: memoryview) -> None:
    """Write in large pieces: each is one call to the system, during which other threads of Python may run."""
    with path.open("wb", buffering=0) as file:
        for whole in (memoryview(header), data):
            at = 0
            while at < len(whole):
                at += file.write(whole[at : at + _PIECE_BYTES])
