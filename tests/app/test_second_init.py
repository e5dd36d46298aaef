"""A second `init` never lies: the next command works on the queue that it says, or it is refused and makes none."""

import json
from pathlib import Path

import pytest

from qcqueue.cli.main import run


class Folder:
    """A folder with an empty cache of its own, in which commands are typed."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, said: pytest.CaptureFixture[str]) -> None:
        self.path, self.patch, self._said = path, monkeypatch, said

    def types(self, line: str, *, code: int = 0) -> tuple[str, str]:
        found = run(line.split())
        out, err = self._said.readouterr()
        assert found == code, out + err
        return out, err

    @property
    def queue(self) -> str:
        """The queue that the next command works on."""
        store: str = json.loads(self.types("status --json")[0])["store"]
        return store

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Folder:
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    return Folder(path, monkeypatch, capsys)


@pytest.mark.parametrize("other", ["shared:lab", "folder:another", "shared:/{path}/deep/er", "folder:queue/inner"])
@pytest.mark.parametrize("dry_run", ["", " --dry-run"])
def test_another_queue_beside_settings_is_refused_and_not_made(other: str, dry_run: str, here: Folder) -> None:
    here.types("init")
    before = here.names
    _, err = here.types(f"init --store {other.format(path=here.path)}{dry_run}", code=2)
    sentence, hint = err.splitlines()
    assert f"{here.path / 'qcqueue.toml'} names the queue folder:{here.path / 'queue'}" in sentence
    assert "nothing was made" in sentence
    assert here.names == before
    assert here.queue == f"folder:{here.path / 'queue'}"
    assert hint.startswith("next: make it in another folder; or mv ")


def test_the_way_out_that_is_said_is_one(here: Folder) -> None:
    here.types("init")
    hint = here.types("init --store shared:lab", code=2)[1].splitlines()[-1]
    move, _, init = hint.partition("or ")[2].partition(", then: ")
    command, source, target = move.split()
    assert command == "mv"
    Path(source).rename(target)
    here.types(init.removeprefix("qcqueue "))
    assert here.queue == f"shared:{here.path / 'lab'}"


@pytest.mark.parametrize("again", ["init", "init --store folder:queue", "init --store folder:{path}/queue"])
def test_the_same_queue_again_is_no_news(again: str, here: Folder) -> None:
    here.types("init")
    before = here.names
    out, _ = here.types(again.format(path=here.path))
    assert out.startswith("there is a queue in")
    assert here.names == before


def test_settings_further_up_give_way_to_those_that_are_made_here(here: Folder) -> None:
    here.types("init")
    below = here.path / "below"
    below.mkdir()
    here.patch.chdir(below)
    assert f"written: {below / 'qcqueue.toml'}" in here.types("init --store shared:lab")[0]
    assert here.queue == f"shared:{below / 'lab'}"


def test_a_queue_that_the_environment_would_hide_is_refused(here: Folder) -> None:
    here.patch.setenv("QCQUEUE_STORE", f"folder:{here.path / 'usual'}")
    sentence, hint = here.types("init --store shared:lab", code=2)[1].splitlines()
    assert "QCQUEUE_STORE names the queue" in sentence
    assert hint.startswith("next: unset QCQUEUE_STORE, then: qcqueue init --store shared:")
    assert here.names == []
    here.types("init")
    assert here.queue == f"folder:{here.path / 'usual'}"


def test_settings_that_name_no_queue_are_not_passed_over(here: Folder) -> None:
    (here.path / "qcqueue.toml").write_text(f'cache = "{here.path.parent / "cache"}"\n')
    sentence, hint = here.types("init", code=2)[1].splitlines()
    assert "names no queue" in sentence
    assert here.names == ["qcqueue.toml"]
    line = hint.partition("then qcqueue init: ")[2]
    (here.path / "qcqueue.toml").write_text(f"{line}\n{(here.path / 'qcqueue.toml').read_text()}")
    here.types("init")
    assert here.queue == f"folder:{here.path / 'queue'}"


def test_who_asks_for_a_queue_that_is_not_there_is_told_how_to_make_that_one(here: Folder) -> None:
    hint = here.types("status --store shared:lab", code=4)[1].splitlines()[-1]
    assert hint == "next: qcqueue init --store shared:lab"
    here.types(hint.removeprefix("next: qcqueue "))
    here.types("status --store shared:lab")


def test_what_is_wrong_with_the_store_itself_is_said_first(here: Folder) -> None:
    here.types("init")
    (here.path / "file").touch()
    assert "is a file; a store needs a folder" in here.types("init --store folder:file", code=2)[1]
