"""Compiled programs are found again by their like on this machine, and by nobody else."""

import os
from pathlib import Path

from qcqueue.engines.programs import PROGRAMS, environment_in, keep, without_place


def test_a_process_finds_what_its_like_have_kept_and_nothing_else(tmp_path: Path) -> None:
    one, other = (environment_in(tmp_path, name, {}) for name in ("trainer-1", "trainer-2"))
    first = keep({"spec": "a", "driver": "550"}, one)
    assert first is not None
    assert keep({"spec": "a", "driver": "550"}, other) == first
    assert (tmp_path / PROGRAMS / "trainer-2").resolve() == first
    assert keep({"spec": "a", "driver": "551"}, other) != first
    assert (tmp_path / PROGRAMS / "trainer-1").resolve() == first


def test_a_folder_is_its_owners_alone(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "trainer-1", {})
    folder = keep({}, environment)
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    assert keep({}, environment) is None


def test_the_flags_of_a_person_stay_and_a_place_is_taken_out_again() -> None:
    mine = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=0", "CUDA_CACHE_PATH": "/mine", "HOME": "/h"}
    given = mine | environment_in(Path("/cache"), "trainer-1", mine)
    assert given["CUDA_CACHE_PATH"] == "/mine"
    assert given["TF_XLA_FLAGS"].startswith("--tf_xla_auto_jit=0 ")
    assert without_place(given)["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=0"
    assert environment_in(Path("/a cache"), "trainer-1", mine) == {}, "TensorFlow would take it for two flags"
    assert "TF_XLA_FLAGS" not in without_place(environment_in(Path("/c"), "t", {}))


def test_whoever_was_given_no_place_keeps_nothing(tmp_path: Path) -> None:
    assert keep({}, {"PATH": os.defpath}) is None
    (tmp_path / PROGRAMS).write_text("")
    assert keep({}, environment_in(tmp_path, "trainer-1", {})) is None
