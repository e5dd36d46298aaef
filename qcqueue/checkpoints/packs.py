"""How the tensors of a state are grouped into files, and the memory they are copied to before they are written.

A pack holds tensors of one kind, in the order of their keys, up to about 32 MB: the model's that training cannot
change, the model's other ones, the optimizer's. The grouping depends on names, types and shapes alone, so two states of
a run, and two jobs on one frozen backbone, have packs with the same bytes wherever their tensors are the same. The last
pack of the optimizer is the head, which also carries the record: it names the state.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.records import MODEL, Snapshot, Tensors

PACK_BYTES = 32 << 20
HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The tensors of one file, in the order of their bytes. is_fixed: training cannot change them."""

    name: str
    keys: tuple[str, ...]
    is_fixed: bool = False


def grouped(state: Snapshot) -> tuple[Pack, ...]:
    """Return the packs of a state, the head last. They hold every tensor once."""
    model = [key for key in sorted(state.tensors) if key.startswith(MODEL)]
    frozen = [key for key in model if key in state.fixed]
    moving = [key for key in model if key not in state.fixed]
    others = [key for key in sorted(state.tensors) if not key.startswith(MODEL)]
    *rest, head = [*_filled(others, state.tensors)] or [()]
    return (
        *(Pack(name=f"f{at:03d}", keys=keys, is_fixed=True) for at, keys in enumerate(_filled(frozen, state.tensors))),
        *(Pack(name=f"m{at:03d}", keys=keys) for at, keys in enumerate(_filled(moving, state.tensors))),
        *(Pack(name=f"o{at:03d}", keys=keys) for at, keys in enumerate(rest)),
        Pack(name=HEAD, keys=head),
    )


def of_the_model(packs: Iterable[Pack]) -> tuple[Pack, ...]:
    """Return the packs that hold the model's tensors, which hold nothing else."""
    return tuple(pack for pack in packs if pack.name[0] in "fm")


class Buffer:
    """Host memory for some packs, allocated once and filled anew for every state: one copy of what can change."""

    def __init__(self, packs: Collection[Pack], tensors: Tensors) -> None:
        keys = [key for pack in packs for key in pack.keys]
        self._bytes = np.empty(sum(tensors[key].nbytes for key in keys), np.uint8)
        self._views: dict[str, npt.NDArray[Any]] = {}
        self._parts: dict[str, memoryview] = {}
        at = 0
        for pack in packs:
            start = at
            for key in pack.keys:
                tensor, end = tensors[key], at + tensors[key].nbytes
                self._views[key] = self._bytes[at:end].view(tensor.dtype).reshape(tensor.shape)
                at = end
            self._parts[pack.name] = self._bytes.data[start:at]

    @property
    def views(self) -> Mapping[str, npt.NDArray[Any]]:
        """The tensors as they lie in the buffer."""
        return self._views

    def fill(self, tensors: Tensors) -> None:
        """Copy the tensors; those that belong to no pack here are left out."""
        copy = np.copyto  # this loop is what a checkpoint costs the training thread
        for key, view in self._views.items():
            copy(view, tensors[key])

    def fill_some(self, tensors: Tensors) -> None:
        """Copy those tensors that belong to a pack here, and leave the others as they are."""
        for key in tensors.keys() & self._views.keys():
            np.copyto(self._views[key], tensors[key])

    def part(self, pack: Pack) -> memoryview:
        """Return the bytes of a pack; they change with the next `fill`."""
        return self._parts[pack.name]


def _filled(keys: Collection[str], tensors: Tensors) -> Iterator[tuple[str, ...]]:
    """Yield `keys` in groups of at most `PACK_BYTES`, or of one key where its tensor alone is larger."""
    group: list[str] = []
    size_bytes = 0
    for key in keys:
        if group and size_bytes + tensors[key].nbytes > PACK_BYTES:
            yield _aligned(group, tensors)
            group, size_bytes = [], 0
        group.append(key)
        size_bytes += tensors[key].nbytes
    if group:
        yield _aligned(group, tensors)


def _aligned(group: Collection[str], tensors: Tensors) -> tuple[str, ...]:
    """Return the keys so that every tensor begins at a multiple of the size of its numbers, without gaps."""
    return tuple(sorted(group, key=lambda key: -tensors[key].itemsize))
