"""Google's console as somebody clicks through it: four of its pages, the words on them, and what comes of it.

The words are those of Google's own guides, and known here apart from qcqueue, whose guide is read aloud to it: a word
that a page does not show, or shows before the last one, cannot be clicked.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator

HOST = "console.cloud.google.com"
SHOWS = {
    "/apis/enableflow": "Enable access to API|Confirm project|Select a project|Create project|Next|Enable APIs|Enable",
    "/auth/overview": "Google Auth Platform not configured yet|Get started|App information|App name|User support email"
    "|Next|Audience|Internal|External|Contact information|Email addresses|Finish"
    "|I agree to the Google API Services: User Data Policy|Continue|Create",
    "/auth/audience": "Publishing status|Testing|Publish app|Push to production?|Confirm",
    "/auth/clients": "Create client|Application type|Web application|Android|Desktop app"
    "|TVs and Limited Input devices|Name|Create|OAuth client created|Download JSON",
}


@dataclass(slots=True)
class Console:
    """The console of a person who has an account and nothing else. downloads: where their browser keeps files."""

    emulator: DriveEmulator
    app: App
    downloads: Path
    visited: list[str] = field(default_factory=list)

    def visit(self, url: str, words: list[str]) -> None:
        """Open a page and click what these words name, one after the other."""
        page = urlsplit(url)
        assert (page.scheme, page.netloc) == ("https", HOST)
        shown = iter(SHOWS[page.path].split("|"))
        for word in words:
            assert any(text.startswith(word) for text in shown), f"{url} does not show {word!r} there"
        self._act(page.path, page.query, words)
        self.visited.append(page.path)

    def _act(self, path: str, query: str, words: list[str]) -> None:
        match path:
            case "/apis/enableflow":
                assert parse_qs(query) == {"apiid": ["drive.googleapis.com"]}
                self.app.api_enabled = words[-1] == "Enable"
            case "/auth/overview":
                assert "/apis/enableflow" in self.visited, "there is no project yet"
                assert {"External", "I agree", "Create"} <= set(words)
            case "/auth/audience":
                assert "/auth/overview" in self.visited, "there is no app yet"
                self.app.testing = words[-1] != "Confirm"
            case "/auth/clients":
                assert "/auth/overview" in self.visited, "there is no app yet"
                assert words[-1] == "Download JSON"
                client = self.emulator.new_client(self.app, is_tv="TVs and Limited Input devices" in words)
                file = self.downloads / f"client_secret_{client.client_id}.json"
                file.touch(mode=0o600)
                file.write_text(json.dumps(client.downloaded(self.emulator.url)), encoding="utf-8")


def nothing_yet() -> App:
    """Return the app of a project in which nothing was switched on."""
    return App(name="qcqueue", api_enabled=False, testing=True)
