"""The way from a fresh machine to a first session in Colab that is signed in: its steps counted, and gone.

The console's part is read aloud from what `qcqueue login` prints, to a console that knows its own words; the terminal's
is typed from the page. Whoever types the code on Google's page reads it from the screen.
"""

import ast
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.notebook.sign_in import signed_in
from qcqueue.providers.colab import Colab
from qcqueue.queue.job_lines import job_lines
from qcqueue.stores.drive.console import AUDIENCE, CLIENTS, DRIVE_API, PAGES, ConsolePage
from tests.canary import leaks
from tests.datasets.pictures import folder_of, three_classes
from tests.docs.pages import ROOT, Block, blocks
from tests.notebook.paper import Paper
from tests.stores_drive.people import PatientClock
from tests.support.drive.accounts import CANARY
from tests.support.drive.console import Console, nothing_yet
from tests.support.drive.emulator import DriveEmulator

MOST_STEPS = 6
LIMIT_S = 60
"""For the program's own part, on a machine under a second suite; a person's clicks are no matter of it."""
PAGE = (ROOT / "docs" / "colab-and-drive.md").read_text(encoding="utf-8")
COLAB = {"COLAB_RELEASE_TAG": "release-colab-stub"}
CODE = re.compile(r"open (?P<url>\S+) and type (?P<code>\S+) within")
SIGN_IN, NOTEBOOK = 5, 6


def steps() -> list[tuple[int, str, str]]:
    """Return the steps of the page: number, title, and what stands below."""
    found = re.findall(r"^### (\d+)\. ([^\n]+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    return [(int(number), title, text) for number, title, text in found]


def picture(text: str) -> str:
    (found,) = (block.text for block in blocks(text) if block.language == "text")
    return found


def stand_in_order(words: tuple[str, ...], text: str) -> bool:
    return re.search(".*?".join(map(re.escape, words)), text, re.DOTALL) is not None


def test_the_page_has_at_most_six_steps_each_with_a_picture_of_its_words() -> None:
    assert [number for number, _, _ in steps()] == list(range(1, NOTEBOOK + 1))
    assert NOTEBOOK <= MOST_STEPS
    assert all(picture(text).startswith("┌─ ") for _, _, text in steps())


def test_the_pages_of_the_console_are_the_same_in_the_guide_and_on_the_page() -> None:
    told = [(title, re.findall(r"<(https://[^>]+)>", text)) for _, title, text in steps()[: len(PAGES)]]
    assert told == [(page.title, [page.url]) for page in PAGES]
    assert set(re.findall(r"https://console\.cloud[^>)\s]*", PAGE)) == {page.url for page in PAGES}
    for page, (_, _, text) in zip(PAGES, steps(), strict=False):
        assert stand_in_order(page.words, picture(text)), page.title


class Person:
    """Somebody who reads what is on the screen, and does it. steps: what they did, by where they did it."""

    def __init__(self, emulator: DriveEmulator, clock: PatientClock, said: pytest.CaptureFixture[str]) -> None:
        self.emulator, self.clock, self.said = emulator, clock, said
        self.ada = emulator.user("ada@example.com")
        self.steps: list[str] = []

    def types(self, line: str, *, code: int = 0) -> str:
        """Type a command, and the code that it shows, if it does; return what was said."""
        heard = list[str]()
        self.clock.after(5, lambda: heard.append(self.read_aloud()))
        found = run(line.split())
        heard.append("".join(self.said.readouterr()))
        assert found == code, heard
        return "".join(heard)

    def read_aloud(self) -> str:
        text = "".join(self.said.readouterr())
        self.type_the_code(text)
        return text

    def type_the_code(self, text: str) -> None:
        if asked := CODE.search(text):
            assert asked["url"] == f"{self.emulator.url}/device"
            self.emulator.signing_in.approve(asked["code"], self.ada)


class ScreenOfColab(Paper):
    """A cell's output, whose reader does what it says."""

    def __init__(self, person: Person) -> None:
        super().__init__()
        self._person = person

    def ask(self, *lines: str) -> None:
        super().ask(*lines)
        self._person.type_the_code("\n".join(lines))


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Person]:
    """Somebody with a Google account, a folder of images, and a machine on which qcqueue never ran."""
    (tmp_path / "Downloads").mkdir()
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    folder_of(tmp_path / "scans", three_classes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    for name in ("QCQUEUE_TOKEN", "QCQUEUE_STORE"):
        monkeypatch.delenv(name, raising=False)
    clock = PatientClock()
    with DriveEmulator(clock) as emulator:
        monkeypatch.setenv("QCQUEUE_DRIVE_ENDPOINT", f"{emulator.url}/")
        monkeypatch.setattr("qcqueue.clock.SystemClock", lambda: clock)
        yield Person(emulator, clock, capfd)


def test_from_nothing_to_a_session_in_colab_by_what_is_said_alone(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_s = time.process_time()
    console = Console(person.emulator, nothing_yet(), tmp_path / "Downloads")
    guide = person.types("login", code=4)
    for url, words in re.findall(r"^\d\. .*?: (https://\S+)\n   (.+)$", guide, re.MULTILINE):
        console.visit(url, words.split(" > "))
        person.steps.append(url)

    (terminal,) = (block for block in blocks(steps()[SIGN_IN - 1][2]) if block.language == "console")
    for line in commands(terminal):
        person.types(line)
    person.steps.append("terminal")

    colab = tmp_path / "colab"
    cell = json.loads((tmp_path / "colab_worker.ipynb").read_text())["cells"][1]["source"]
    monkeypatch.setattr(Colab, "secret", lambda self, name, *, say: None)
    environment = COLAB | {"QCQUEUE_CLIENT": value_of("QCQUEUE_CLIENT", cell)}
    settings = load_settings(store=value_of("store", cell), folder=tmp_path)
    settings = replace(settings, cache=colab / "cache", config=colab / "config")
    with open_context(signed_in(settings, environment, ScreenOfColab(person), person.clock)).read() as tx:
        assert len(job_lines(tx)) == 6
    person.steps.append("Colab")

    assert len(person.steps) == NOTEBOOK <= MOST_STEPS
    assert time.process_time() - begun_s < LIMIT_S
    assert leaks(tmp_path) == [tmp_path / "colab_worker.ipynb"], "the one that was asked for"
    owner = person.emulator.owner(person.ada)
    stored = [owner.read(file.id) for file in owner.files() if file.content]
    assert stored
    assert not any(CANARY.encode() in content for content in stored)
    (tmp_path / "colab_worker.ipynb").unlink()  # before the suite looks for secrets in all that it wrote


@pytest.mark.parametrize("forgotten", [DRIVE_API, AUDIENCE, CLIENTS], ids=lambda page: page.title)
def test_whoever_forgets_a_page_is_told_of_it_and_goes_on(
    forgotten: ConsolePage, person: Person, tmp_path: Path
) -> None:
    """The other page nobody can forget: without it the console makes no client."""
    console = Console(person.emulator, nothing_yet(), tmp_path / "Downloads")
    console.visited.append("/apis/enableflow")  # a project was made, and no more
    for page in PAGES:
        if page is not forgotten:
            console.visit(page.url, list(page.words))
    assert forgotten.url in person.types("login", code=0 if forgotten is AUDIENCE else 4)
    console.visit(forgotten.url, list(forgotten.words))
    said = person.types("login")
    assert forgotten.url not in said
    assert said.splitlines()[-1] == "next: qcqueue init --store gdrive:new"


def commands(block: Block) -> list[str]:
    """Return what is typed for qcqueue, without the installation."""
    lines = [line.removeprefix("$ ").partition(" #")[0].strip() for line in block.text.splitlines()]
    return [line.removeprefix("qcqueue ") for line in lines if line.startswith("qcqueue ")]


def value_of(name: str, source: list[str]) -> str:
    """Return what the cell of a notebook says of a variable, of its own or of the environment."""
    (said,) = (line.partition(" = ")[2].partition(" #@")[0] for line in source if re.match(rf".*\b{name}\b.* = ", line))
    return str(ast.literal_eval(said.strip()))
