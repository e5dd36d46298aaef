"""Who is signed in to Google Drive in a notebook: a secret of Colab, or a person who types a code elsewhere.

A sign-in is looked for in the settings first, then in Colab's secrets; where there is none, the person before the
screen is asked. Always true: the token stays in this process's memory, and only the address and the code that a
person must see are ever shown.
"""

from collections.abc import Mapping
from dataclasses import replace

from qcqueue.app.settings import Settings, kind_of
from qcqueue.app.sign_in import drive_libraries, token_path
from qcqueue.clock import Clock
from qcqueue.errors import SignInFailed
from qcqueue.notebook.screen import Screen
from qcqueue.providers.colab import in_colab, secret
from qcqueue.stores.drive.token import CLIENT_VARIABLE, TOKEN_VARIABLE, Token
from qcqueue.text.humanize import duration

MAKE_SECRET = (
    f"on your laptop: qcqueue colab-token --client tv.json; paste its line into Colab's secret {TOKEN_VARIABLE} "
    "(the key at the left) and run this cell again; or open the notebook that qcqueue notebook --client tv.json "
    "writes, which asks you to sign in"
)


def signed_in(settings: Settings, environment: Mapping[str, str], screen: Screen, clock: Clock) -> Settings:
    """Return the settings with a sign-in, where their store wants one. Raises: SignInFailed, SettingInvalid."""
    if kind_of(settings.store or "") != "gdrive" or settings.token or token_path(settings).exists():
        return settings
    token = secret(TOKEN_VARIABLE, say=screen.say) if in_colab(environment) else None
    if token is None and screen.has_reader:
        token = _ask_for_code(settings, environment, screen, clock).to_json()
    return replace(settings, token=token)


def _ask_for_code(settings: Settings, environment: Mapping[str, str], screen: Screen, clock: Clock) -> Token:
    client = environment.get(CLIENT_VARIABLE)
    if not client:
        raise SignInFailed("this notebook has no sign-in to Google Drive", hint=MAKE_SECRET)
    with drive_libraries():
        from qcqueue.stores.drive.device import DeviceSignIn
        from qcqueue.stores.drive.oauth import parse_client

    device = DeviceSignIn(parse_client(client, source=CLIENT_VARIABLE), endpoint=settings.drive_endpoint, clock=clock)
    prompt = device.begin()
    screen.ask(f"open {prompt.url} and type {prompt.code} within {duration(prompt.expires_in_s)}")
    token = device.wait(prompt)
    screen.ask()
    return token
