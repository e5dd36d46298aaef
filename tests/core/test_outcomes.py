"""Whose trouble an error is: of the job and final, of this machine, or of the store; by class, number and place."""

import errno
import importlib
import os
import types
from pathlib import Path

import pytest

from qcqueue.core.outcomes import WORST_FIRST, Cause, SessionEnd, Trouble, advice_on, cause_of, worst_exit_code
from qcqueue.errors import (
    BlobMissing,
    CheckpointDamaged,
    DigestMismatch,
    DiskFailed,
    DiskFull,
    DriverFailed,
    ExtraMissing,
    MachineError,
    QcqueueError,
    Side,
    StoreBusy,
    StoreDenied,
)
from tests.test_conventions import walk


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EIO", "EROFS", "ESTALE", "ENODEV", "EMFILE"])
def test_what_a_system_says_of_a_disk_is_the_disks_trouble(number: str) -> None:
    code = getattr(errno, number)
    assert cause_of(OSError(code, os.strerror(code))) is Trouble.DISK


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "spool/progress.json"), Trouble.DISK),
        (PermissionError(errno.EACCES, "Permission denied"), Trouble.DISK),
        (ValueError('IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })'), Trouble.DISK),
        (OSError("Can't write data (errno = 5, error message = 'Input/output error')"), Trouble.DISK),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Trouble.MEMORY),
        (MemoryError(), Trouble.MEMORY),
        (ImportError("libcudart.so.12: cannot open shared object file: No such file or directory"), Trouble.LIBRARIES),
        (ModuleNotFoundError("No module named 'keras'"), Trouble.LIBRARIES),
        (SyntaxError("invalid syntax"), Trouble.LIBRARIES),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), Trouble.UNEXPLAINED),
        (ValueError("x"), Trouble.UNEXPLAINED),
        (KeyError("kernel"), Trouble.UNEXPLAINED),
        (AssertionError(), Trouble.UNEXPLAINED),
        (DiskFull(), Trouble.DISK),
        (DiskFailed(), Trouble.DISK),
        (DriverFailed(), Trouble.DRIVER),
        (ExtraMissing(), Trouble.LIBRARIES),
        (StoreBusy(), Trouble.STORE),
        (StoreDenied(), Trouble.STORE),
        (BlobMissing(), Trouble.STORE),
        (DigestMismatch(), Trouble.STORE),
        (CheckpointDamaged(), Trouble.STORE),
    ],
)
def test_what_is_not_the_jobs_is_a_trouble(error: Exception, trouble: Trouble) -> None:
    assert cause_of(error) is trouble


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ("raise RuntimeError('this build needs AVX512')", Trouble.LIBRARIES),
        ("import os\nos.no_such_name", Trouble.LIBRARIES),
        ("{}['version']", Trouble.LIBRARIES),
        ("def (", Trouble.LIBRARIES),
        ("open('/no/such/file/of/its/own')", Trouble.LIBRARIES),
        (
            "raise OSError(28, 'No space left on device')",
            Trouble.DISK,
        ),  # where an import meets the disk, it is the disk
        ("raise OSError(5, 'Input/output error')", Trouble.DISK),
        ("raise MemoryError", Trouble.MEMORY),
    ],
)
def test_whatever_an_import_raises_is_of_the_libraries_unless_it_is_the_disks(
    body: str, trouble: Trouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text(f"{body}\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (any kind, that is the point)
        importlib.import_module("broken_library")
    assert cause_of(caught.value) is trouble


def test_a_library_that_is_not_the_one_it_should_be_is_told_by_what_it_lacks() -> None:
    with pytest.raises(AttributeError) as of_a_module:
        types.ModuleType("keras").losses  # noqa: B018
    with pytest.raises(AttributeError) as of_a_value:
        object().losses  # type: ignore[attr-defined]  # noqa: B018
    assert (cause_of(of_a_module.value), cause_of(of_a_value.value)) == (Trouble.LIBRARIES, Trouble.UNEXPLAINED)


@pytest.mark.parametrize("kind", walk(QcqueueError))
def test_the_side_of_an_error_decides_whether_it_is_final(kind: type[QcqueueError]) -> None:
    assert isinstance(cause_of(kind.__new__(kind)), Cause) == (kind.side is Side.JOB)


def test_every_error_of_a_machine_has_a_trouble_that_is_no_riddle() -> None:
    assert {*MachineError.__subclasses__()} <= {error for trouble in Trouble for error in trouble.errors}


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_advice_and_words_of_its_own(trouble: Trouble) -> None:
    assert "qcqueue" in advice_on(trouble, job="s/one", machine="lab-3")
    assert trouble.on("lab-3").endswith(" on lab-3") == (trouble is not Trouble.STORE)
    assert trouble not in {*map(str, Cause)}


def test_every_exit_code_of_a_session_has_its_place_among_the_worst() -> None:
    codes = {kind.exit_code for kind in walk(QcqueueError)} | {ending.exit_code for ending in SessionEnd}
    assert codes == {*WORST_FIRST}
    assert len(codes) == len(WORST_FIRST)


@pytest.mark.parametrize(
    ("codes", "worst"),
    [((0, 7), 0), ((7, 7), 7), ((0, 20), 20), ((8, 20), 20), ((20, 3), 3), ((130, 20), 130), ((0, 8), 8), ((5, 1), 5)],
)
def test_several_sessions_end_as_the_worst_of_them(codes: tuple[int, ...], worst: int) -> None:
    assert worst_exit_code(codes) == worst_exit_code(codes[::-1]) == worst


def test_a_code_that_no_session_of_ours_ends_with_is_the_worst() -> None:
    assert worst_exit_code([5, 99, 0]) == 99
