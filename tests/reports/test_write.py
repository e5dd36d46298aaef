"""A report appears whole or not at all, and an earlier one survives whatever happens to its successor."""

from pathlib import Path

import pytest

from qcqueue.errors import UserError
from qcqueue.reports.write import write_report
from tests.reports.studies import a_dataset, a_proof, the_study


def test_it_writes_one_file_and_says_where(tmp_path: Path) -> None:
    study = the_study(datasets=(a_dataset(),), proofs=(a_proof(),))
    path = write_report(study, folder=tmp_path / "new" / "report")
    assert path == tmp_path / "new" / "report" / "report.html"
    assert [child.name for child in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert path.stat().st_mode & 0o777 == 0o644


def test_twice_gives_identical_bytes(tmp_path: Path) -> None:
    first = write_report(the_study(), folder=tmp_path).read_bytes()
    assert write_report(the_study(), folder=tmp_path).read_bytes() == first


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_half_written_report_never_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(UserError, match="No space left on device"):
            write_report(the_study(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_report_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_report(the_study([]), folder=tmp_path)
    before = path.read_bytes()

    def cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", cut)
        with pytest.raises(KeyboardInterrupt):
            write_report(the_study(), folder=tmp_path)
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    in_the_way = tmp_path / "report"
    in_the_way.write_text("mine")
    with pytest.raises(UserError, match=r"cannot be written to .*report") as refused:
        write_report(the_study([]), folder=in_the_way)
    assert refused.value.hint is not None
    assert in_the_way.read_text() == "mine"
