"""Who is signed in to Google Drive in a notebook: a secret of its provider, or a person who types a code elsewhere.

A sign-in is looked for in the settings first, then in what secrets the provider keeps; where there is none, the person
before the screen is asked. Always true: the token stays in this process's memory, and only the address and the code
that a person must see are ever shown.
"""

from collections.abc import Mapping
from dataclasses import replace

from qcqueue.app.profile import provider_here
from qcqueue.app.settings import Settings, kind_of
from qcqueue.app.sign_in import drive_libraries, token_path
from qcqueue.clock import Clock
from qcqueue.errors import SignInFailed
from qcqueue.notebook.screen import Screen
from qcqueue.providers.base import Provider
from qcqueue.stores.drive.token import CLIENT_VARIABLE, TOKEN_VARIABLE, Token
from qcqueue.text.humanize import duration

MAKE_SECRET = "on your laptop: qcqueue colab-token --client tv.json; paste its line into {} and run this cell again"
OPEN_NOTEBOOK = "open the notebook that qcqueue notebook --client tv.json writes, which asks you to sign in"


def signed_in(settings: Settings, environment: Mapping[str, str], screen: Screen, clock: Clock) -> Settings:
    """Return the settings with a sign-in, where their store wants one. Raises: SignInFailed, SettingInvalid."""
    if kind_of(settings.store or "") != "gdrive" or settings.token or token_path(settings).exists():
        return settings
    provider = provider_here(environment)
    token = provider.secret(TOKEN_VARIABLE, say=screen.say)
    if token is None and screen.has_reader:
        token = _ask_for_code(settings, environment, provider, screen, clock).to_json()
    return replace(settings, token=token)


def _ask_for_code(
    settings: Settings, environment: Mapping[str, str], provider: Provider, screen: Screen, clock: Clock
) -> Token:
    client = environment.get(CLIENT_VARIABLE)
    if not client:
        secret = provider.secret_help.format(name=TOKEN_VARIABLE)
        hint = f"{MAKE_SECRET.format(secret)}; or {OPEN_NOTEBOOK}" if secret else OPEN_NOTEBOOK
        raise SignInFailed("this notebook has no sign-in to Google Drive", hint=hint)
    with drive_libraries():
        from qcqueue.stores.drive.device import DeviceSignIn
        from qcqueue.stores.drive.oauth import parse_client

    device = DeviceSignIn(parse_client(client, source=CLIENT_VARIABLE), endpoint=settings.drive_endpoint, clock=clock)
    prompt = device.begin()
    screen.ask(f"open {prompt.url} and type {prompt.code} within {duration(prompt.expires_in_s)}")
    token = device.wait(prompt)
    screen.ask()
    return token
