"""How tensors become files: each in one pack, the same packs for the same shapes, and equal bytes for equal tensors."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue import checkpoints
from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import HEAD_NAME, SUFFIX, files_of, read_state, write_state
from qcqueue.checkpoints.packs import HEAD, PACK_BYTES, Buffer, Pack, grouped, of_the_model
from qcqueue.core.records import MODEL, Snapshot, Tensors
from tests.checkpoints.states import SMALL_PACK_BYTES, assert_same, frozen_snapshot, record, snapshot

TYPES = ("float32", "int64", "uint32", "float16", "bool")
shapes = st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 30)), max_size=12)


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)


def drawn(model: list[tuple[str, int]], frozen: set[int], optimizer: list[tuple[str, int]]) -> Snapshot:
    """Return a state with tensors of these types and lengths."""
    tensors: dict[str, np.typing.NDArray[np.generic]] = {}
    for letter, kinds in (("m", model), ("o", optimizer)):
        for index, (kind, length) in enumerate(kinds):
            tensors[f"{letter}/{index:05d}"] = np.arange(length).astype(kind)
    fixed = frozenset(f"m/{index:05d}" for index in frozen if index < len(model))
    return Snapshot(tensors=tensors, record=record(), paths={}, fixed=fixed)


def size_bytes(pack: Pack, tensors: Tensors) -> int:
    return sum(tensors[key].nbytes for key in pack.keys)


def held_by(buffer: Buffer, state: Snapshot) -> Snapshot:
    return replace(state, tensors=dict(sorted(buffer.views.items())))


def written(folder: Path, state: Snapshot) -> Mapping[str, bytes]:
    """Return the files of a state by their names."""
    folder.mkdir()
    write_state(folder, state)
    return {path.name: path.read_bytes() for path in files_of(folder)}


@given(shapes, st.sets(st.integers(0, 11)), shapes)
def test_every_tensor_is_in_one_pack_of_its_kind_and_no_pack_is_too_large(
    model: list[tuple[str, int]], frozen: set[int], optimizer: list[tuple[str, int]]
) -> None:
    state = drawn(model, frozen, optimizer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
        groups = grouped(state)

    assert sorted(key for pack in groups for key in pack.keys) == sorted(state.tensors)
    assert len({pack.name for pack in groups}) == len(groups)
    assert [pack.name for pack in groups].index(HEAD) == len(groups) - 1
    for pack in groups:
        assert size_bytes(pack, state.tensors) <= SMALL_PACK_BYTES or len(pack.keys) == 1
        assert {key in state.fixed for key in pack.keys} <= {pack.is_fixed}
        assert {key.startswith(MODEL) for key in pack.keys} <= {pack in of_the_model(groups)}


@given(shapes, st.sets(st.integers(0, 11)), shapes)
def test_every_tensor_begins_at_a_multiple_of_the_size_of_its_numbers(
    model: list[tuple[str, int]], frozen: set[int], optimizer: list[tuple[str, int]]
) -> None:
    state = drawn(model, frozen, optimizer)
    for pack in grouped(state):
        at = 0
        for key in pack.keys:
            assert at % state.tensors[key].itemsize == 0
            at += state.tensors[key].nbytes


@pytest.mark.usefixtures("small_packs")
def test_the_numbers_of_a_file_begin_at_a_multiple_of_eight(tmp_path: Path) -> None:
    for data in written(tmp_path / "state", frozen_snapshot()).values():
        assert int.from_bytes(data[:8], "little") % 8 == 0


def test_a_pack_is_filled_up_to_32_mb_and_a_larger_tensor_is_alone() -> None:
    assert PACK_BYTES == 32 << 20
    half, huge = np.empty(PACK_BYTES // 8, np.float32), np.empty(PACK_BYTES // 4 + 1, np.float32)
    tensors = {"m/00000": half, "m/00001": half, "m/00002": half[:1], "m/00003": huge, "m/00004": half}
    groups = grouped(Snapshot(tensors=tensors, record=record(), paths={}))
    assert [(pack.name, pack.keys) for pack in groups] == [
        ("m000", ("m/00000", "m/00001")),
        ("m001", ("m/00002",)),
        ("m002", ("m/00003",)),
        ("m003", ("m/00004",)),
        (HEAD, ()),
    ]


@pytest.mark.usefixtures("small_packs")
def test_the_same_names_and_shapes_make_the_same_packs_whatever_the_values() -> None:
    state, other = frozen_snapshot(1), frozen_snapshot(7)
    zeros = {key: np.zeros_like(value) for key, value in state.tensors.items()}
    backwards = dict(reversed([*state.tensors.items()]))
    assert grouped(state) == grouped(other) == grouped(replace(state, tensors=zeros))
    assert grouped(state) == grouped(replace(state, tensors=backwards))


@pytest.mark.usefixtures("small_packs")
def test_what_is_frozen_has_packs_of_its_own_that_stay_the_same_from_epoch_to_epoch(tmp_path: Path) -> None:
    one, other = written(tmp_path / "1", frozen_snapshot(1)), written(tmp_path / "2", frozen_snapshot(2))
    frozen = [name for name in one if name.startswith("f")]
    assert one.keys() == other.keys()
    assert [pack.keys for pack in grouped(frozen_snapshot()) if pack.is_fixed] == [("m/00000",), ("m/00002",)]
    assert frozen == ["f000" + SUFFIX, "f001" + SUFFIX]
    assert [name for name in one if one[name] == other[name]] == frozen


@pytest.mark.usefixtures("small_packs")
def test_two_jobs_with_other_heads_on_one_frozen_base_share_its_packs(tmp_path: Path) -> None:
    state = frozen_snapshot()
    wider = {"m/00004": np.ones((4, 9), np.float32), "o/00002": np.ones((4, 9), np.float32)}
    other = replace(state, tensors={**state.tensors, **wider}, record=replace(state.record, spec_sha256="7" * 64))
    one, two = written(tmp_path / "one", state), written(tmp_path / "two", other)
    for name in ("f000" + SUFFIX, "f001" + SUFFIX):
        assert one[name] == two[name]
    assert one[HEAD_NAME] != two[HEAD_NAME]


def test_a_pack_says_nothing_but_its_tensors_so_that_equal_tensors_are_equal_files(tmp_path: Path) -> None:
    state = snapshot()
    later = replace(state, record=record(epochs_done=3, steps_done=0), paths={"m/00000": "another/name"})
    one, other = written(tmp_path / "one", state), written(tmp_path / "other", later)
    assert list(one) == list(other) == ["m000" + SUFFIX, HEAD_NAME]
    assert one["m000" + SUFFIX] == other["m000" + SUFFIX]
    assert one[HEAD_NAME] != other[HEAD_NAME]


def test_a_model_without_optimizer_variables_has_a_head_without_tensors(tmp_path: Path) -> None:
    state = snapshot()
    state = replace(state, tensors={key: it for key, it in state.tensors.items() if key.startswith(MODEL)})
    assert grouped(state)[-1] == Pack(name=HEAD, keys=())
    write_state(tmp_path, state)
    assert_same(read_state(files_of(tmp_path)), state)


def test_a_state_without_any_tensor_is_a_head_alone(tmp_path: Path) -> None:
    state = Snapshot(tensors={}, record=record(), paths={})
    write_state(tmp_path, state)
    assert [path.name for path in files_of(tmp_path)] == [HEAD_NAME]
    assert_same(read_state(files_of(tmp_path)), state)


@pytest.mark.usefixtures("small_packs")
def test_a_buffer_holds_a_copy_that_only_the_next_filling_changes() -> None:
    state = frozen_snapshot(1)
    changing = {key: value.copy() for key, value in state.tensors.items()}
    buffer = Buffer(grouped(state), changing)
    buffer.fill(changing)
    for value in changing.values():
        value.fill(0)
    assert_same(held_by(buffer, state), state)
    buffer.fill(frozen_snapshot(2).tensors)
    assert_same(held_by(buffer, frozen_snapshot(2)), frozen_snapshot(2))


@pytest.mark.usefixtures("small_packs")
def test_the_part_of_a_pack_is_its_tensors_one_after_the_other() -> None:
    state = frozen_snapshot()
    groups = grouped(state)
    buffer = Buffer(groups, state.tensors)
    buffer.fill(state.tensors)
    for pack in groups:
        assert bytes(buffer.part(pack)) == b"".join(state.tensors[key].tobytes() for key in pack.keys)


def test_the_worked_example_of_the_format_page_is_true(tmp_path: Path) -> None:
    state = Snapshot(
        tensors={
            "m/00000": np.ones((2, 2), np.float32),
            "m/00001": np.zeros(3, np.float32),
            "m/00002": np.array([1, 7], np.int64),
            "o/00000": np.array(3, np.int64),
            "o/00001": np.array(1e-4, np.float32),
        },
        record=record(),
        paths={},
        fixed=frozenset({"m/00000"}),
    )
    write_state(tmp_path, state)
    told = checkpoints.__doc__ or ""
    for name in ("f000", "m000"):
        data = (tmp_path / f"{name}.safetensors").read_bytes()
        said = re.search(rf"{name} +(\d+) bytes, ([0-9a-f]{{8}})\.\.", told)
        assert said is not None
        assert (len(data), hashlib.sha256(data).hexdigest()[:8]) == (int(said[1]), said[2])
