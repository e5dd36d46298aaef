"""The pages of Google's console that a person passes once, in their order, to have an OAuth client of their own.

The one owner of their addresses and of the words that stand on them: hints, `login` and the page of the documentation
all say what stands here. What is still missing, `guide` finds out. Nothing here asks anybody.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """One page. title: what is done there. words: what to click and to fill in, as the page calls it, in this order."""

    title: str
    url: str
    words: tuple[str, ...]


DRIVE_API = ConsolePage(
    title="Make a project, with the Drive API switched on",
    url="https://console.cloud.google.com/apis/enableflow?apiid=drive.googleapis.com",
    words=("Create project", "Next", "Enable"),
)
CONSENT = ConsolePage(
    title="Name the app",
    url="https://console.cloud.google.com/auth/overview",
    words=("Get started", "App name", "User support email", "External", "Contact information", "I agree", "Create"),
)
AUDIENCE = ConsolePage(
    title="Publish the app",
    url="https://console.cloud.google.com/auth/audience",
    words=("Publish app", "Confirm"),
)
CLIENTS = ConsolePage(
    title="Make the client, and download it",
    url="https://console.cloud.google.com/auth/clients",
    words=("Create client", "TVs and Limited Input devices", "Create", "Download JSON"),
)
PAGES = (DRIVE_API, CONSENT, AUDIENCE, CLIENTS)

ENABLE = f"enable it in the Google Cloud console ({DRIVE_API.url}), and try again in two minutes"
PUBLISH = f"publish the app in the Google Cloud console (Audience > Publish app, {AUDIENCE.url})"
MAKE_CLIENT = (
    "make one of the type TVs and Limited Input devices (for this machine alone, Desktop app) in the Google Cloud "
    f"console ({CLIENTS.url}) and download its JSON"
)
