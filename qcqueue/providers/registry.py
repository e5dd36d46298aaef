"""Which providers there are: the TOML files of this folder, corrected by a person's own, and who of them has code.

Only the files that are asked for are read; to detect a provider, the rules of all of them. Always true: a name that is
returned from here can be asked for here, what cannot be told apart is told so by the profile, not guessed at, and to
know what a provider allows imports none.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module, resources

from qcqueue.errors import UnknownName
from qcqueue.providers.base import BareMachine, Profile, Provider, Rule
from qcqueue.providers.profile_file import read_corrections, read_profile, read_rule
from qcqueue.text.suggest import nearest, shown

# Who does something beside its limits, by the profile that is detected; imported on use.
PROVIDERS: Mapping[str, str] = {
    "colab-free": "qcqueue.providers.colab:PROVIDER",
    "kaggle": "qcqueue.providers.kaggle:PROVIDER",
    "slurm": "qcqueue.providers.slurm:PROVIDER",
}

FOLDER = resources.files(__package__)
ENDING = ".toml"
# What a machine is that no rule fits.
ELSE = "local"
OWN_FILE = "profiles.toml"


@cache
def names() -> tuple[str, ...]:
    """Return the names of the profiles that come with qcqueue, in the order of the alphabet."""
    found = (entry.name for entry in FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(ENDING) for name in found if name.endswith(ENDING)))


def profile(name: str, own: str | None = None, *, file_name: str = OWN_FILE) -> Profile:
    """Return a profile. own: the text of a person's own file, which wins; file_name is what its problems call it.

    Raises: UnknownName: neither knows it. SpecInvalid: everything that is wrong with their own file.
    """
    mine = {} if own is None else read_own(own, file_name)
    if name in mine:
        return mine[name]
    if name in names():
        return _shipped(name)
    known = (*names(), *(one for one in mine if one not in names()))
    close = nearest(name, known)
    meant = f"; did you mean {close}?" if close else ""
    raise UnknownName(
        f"there is no profile {shown(name)}; it can be {', '.join(known)}{meant}",
        hint=f"use {close or known[0]} where it is named, or describe your own in {file_name}",
    )


def read_own(text: str, file_name: str) -> Mapping[str, Profile]:
    """Return the profiles that a person's own file corrects or adds, by name.

    Raises: SpecInvalid: with one sentence for everything that is wrong.
    """
    return read_corrections(text, file=file_name, names=names(), shipped=_shipped)


def detect(environ: Mapping[str, str], user: str) -> str:
    """Return the name of the profile that fits a machine with these variables, where this user works."""
    return next((name for name in names() if (it := rule(name)) and it.fits(environ, user)), ELSE)


@cache
def rule(name: str) -> Rule | None:
    """Return by what the machines of a provider are known that comes with qcqueue; None where nothing tells them."""
    return read_rule(_text(name))


def provider(name: str, environ: Mapping[str, str] = {}) -> Provider:
    """Return what can be done on a machine with these variables, for which `detect` found this name."""
    if name not in PROVIDERS:
        return BareMachine(environ)
    module, _, attribute = PROVIDERS[name].partition(":")
    found: Provider = getattr(import_module(module), attribute)
    return found


@cache
def _shipped(name: str) -> Profile:
    return read_profile(_text(name), file=f"{name}{ENDING}", name=name)


def _text(name: str) -> str:
    return FOLDER.joinpath(f"{name}{ENDING}").read_text(encoding="utf-8")
