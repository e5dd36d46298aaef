"""A report appears whole or not at all, and an earlier one survives whatever happens to its successor."""

import os
import signal
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from qcqueue.errors import UserError
from qcqueue.reports.files import files_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.write import write_report
from tests.reports.pages import draw_small
from tests.reports.quantities.answers import an_answered_study
from tests.reports.studies import a_dataset, a_job, a_proof, a_spec, epochs_of, the_study

DISK_FULL = OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """How large they are and who draws them is seen in the tests of `png`."""
    draw_small(monkeypatch)


def a_small_study() -> ReportInput:
    """One job, so that there is little to draw."""
    return the_study([a_job(a_spec(epochs=2), epochs_of(2))])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def by_suffix(folder: Path) -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for path in folder.iterdir():
        names[path.suffix].add(path.stem)
    return names


def test_it_writes_a_page_its_figures_its_tables_and_where_they_come_from(tmp_path: Path) -> None:
    study = the_study(datasets=(a_dataset(),), proofs=(a_proof(),))
    folder = tmp_path / "new" / "report"
    written = write_report(study, folder=folder)
    assert (written.page, written.lacks, written.unread) == (folder / "report.html", None, ())
    tops = {path.name for path in folder.iterdir()}
    assert tops == {"report.html", "report.json", "provenance.zip", "figures", "figures.pdf", "tables"}
    assert written.page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o644}
    assert folder.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_every_picture_is_there_as_svg_and_png_and_every_table_as_csv(tmp_path: Path) -> None:
    folder = write_report(an_answered_study(), folder=tmp_path / "report").page.parent
    figures, tables = by_suffix(folder / "figures"), by_suffix(folder / "tables")
    assert figures[".svg"] == figures[".png"] >= {"accuracy-intervals", "pairs", "reliability", "model-01-curves"}
    assert tables[".md"] == tables[".tex"] == tables[".csv"], "of a small study each table fits on a page"


def test_twice_gives_identical_bytes(tmp_path: Path) -> None:
    first = contents(write_report(an_answered_study(), folder=tmp_path / "report").page.parent)
    assert contents(write_report(an_answered_study(), folder=tmp_path / "report").page.parent) == first


def test_another_process_writes_the_same_bytes() -> None:
    """No order of a set, no hash of a string and no clock reaches a file."""
    program = (
        "import hashlib; from qcqueue.reports.files import files_of;"
        "from tests.reports.quantities.answers import an_answered_study;"
        "found = files_of(an_answered_study()).contents;"
        "print({str(name): hashlib.sha256(content).hexdigest() for name, content in found.items()})"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(said) == 1


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.rename", "pathlib.Path.chmod"])
def test_a_half_written_report_never_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*arguments: object) -> None:
        raise DISK_FULL

    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(UserError, match="No space left on device"):
            write_report(a_small_study(), folder=tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails_at", [1, 2])
def test_an_earlier_report_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    before = contents(write_report(the_study([]), folder=tmp_path / "report").page.parent)
    rename, calls = Path.rename, []

    def cut(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.rename", cut)
        with pytest.raises(KeyboardInterrupt):
            write_report(a_small_study(), folder=tmp_path / "report")
    assert contents(tmp_path / "report") == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_kill_at_any_moment_leaves_the_earlier_report_or_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    before = contents(write_report(the_study([]), folder=folder).page.parent)
    after = {str(name): content for name, content in files_of(a_small_study()).contents.items()}
    program = (
        "import sys; from pathlib import Path; from qcqueue.reports.write import write_report;"
        "from tests.reports.test_write import a_small_study, draw_small, pytest; draw_small(pytest.MonkeyPatch());"
        "study = a_small_study(); print('begins', flush=True); write_report(study, folder=Path(sys.argv[1]))"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout:
        writer.stdout.readline()
        while not any(path.name.startswith(".report-") for path in tmp_path.iterdir()) and writer.poll() is None:
            pass  # until the first of its files may be there
        writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert contents(folder) in (before, after)


def test_what_a_killed_writer_left_goes_with_the_next_report_and_an_earlier_one_is_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    before = contents(write_report(the_study([]), folder=folder).page.parent)
    program = (
        "import os, sys; from pathlib import Path; import qcqueue.reports.write as w;"
        "from tests.reports.test_write import a_small_study; rename, target = Path.rename, Path(sys.argv[1])\n"
        "def cut(self, to): os._exit(9) if Path(to) == target else rename(self, to)\n"
        "Path.rename = cut; w.write_report(a_small_study(), folder=target)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], check=False).returncode == 9
    assert not folder.exists()  # it was cut between two names
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".report-old_2025").mkdir()
    (tmp_path / ".report-old_2025" / "thesis.tex").write_text("mine")
    os.utime(tmp_path / ".report-old_2025", (0, 0))
    with pytest.raises(UserError, match="thesis"):
        write_report(a_small_study(), folder=_with_mine(tmp_path / "other"))
    write_report(the_study([]), folder=folder)
    assert contents(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".report-old_2025", "other", "report"]


def _with_mine(folder: Path) -> Path:
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    return folder


@pytest.mark.parametrize("name", ["thesis.tex", "report.htm", ".git"])
def test_a_folder_that_holds_anything_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="a report gets a folder of its own") as refused:
        write_report(a_small_study(), folder=tmp_path)
    assert name in str(refused.value)
    assert contents(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize("name", ["figures/mine.png", "tables/mine.csv", "figures/deep/er.svg"])
def test_what_was_laid_into_an_earlier_report_is_not_lost(tmp_path: Path, name: str) -> None:
    folder = write_report(a_small_study(), folder=tmp_path / "report").page.parent
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    before = contents(folder)
    with pytest.raises(UserError, match=name):
        write_report(the_study([]), folder=folder)
    assert contents(folder) == before


def test_a_page_of_an_older_qcqueue_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("an older one")
    page = write_report(a_small_study(), folder=tmp_path / "report").page
    assert "an older one" not in page.read_text(encoding="utf-8")


def test_the_folder_one_is_in_is_not_pulled_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (Path(), Path(".."), tmp_path):
        with pytest.raises(UserError, match="is where you are"):
            write_report(the_study([]), folder=folder)
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 300, "loop"])
def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="the report cannot be written to"):
        write_report(the_study([]), folder=tmp_path / name)


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    in_the_way = tmp_path / "report"
    in_the_way.write_text("mine")
    with pytest.raises(UserError, match=r"cannot be written to .*report") as refused:
        write_report(the_study([]), folder=in_the_way)
    assert refused.value.hint is not None
    assert in_the_way.read_text() == "mine"


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "report").symlink_to("there")
    write_report(the_study([]), folder=tmp_path / "report")
    assert (tmp_path / "report").is_symlink()
    assert (tmp_path / "there" / "report.html").exists()


def test_without_matplotlib_all_but_the_figures_is_written_and_it_says_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written = write_report(an_answered_study(), folder=tmp_path / "report")
    assert written.lacks is not None
    assert written.lacks.hint == 'pip install "qcqueue[report]"'
    assert not (tmp_path / "report" / "figures").exists()
    page = written.page.read_text(encoding="utf-8")
    assert "The figures are missing: figures need matplotlib" in page
    assert "<svg" not in page
    assert page.count("<table") > 5


def test_the_archive_of_origins_has_every_job_and_no_entry_that_leaves_it(tmp_path: Path) -> None:
    folder = write_report(the_study(datasets=(a_dataset(),)), folder=tmp_path / "report").page.parent
    with zipfile.ZipFile(folder / "provenance.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert [name for name in names if name.startswith("jobs/")] == [f"jobs/{place:03d}.json" for place in range(1, 7)]
    assert not any(name.startswith("/") or ".." in name for name in names)
