"""Notebooks as files, those for Colab with their words: a text cell, and one that is a small form, which works or shows
how it does.

Plain JSON in the notebook format 4.5. It holds no output, no sign-in, and nothing that works without a person who
opens it and presses a button; on demand it holds an OAuth client with its secret, which opens nothing by itself. It
brings the qcqueue that wrote it along. A file that qcqueue did not write is never replaced.
"""

import base64
import json
import lzma
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from qcqueue.app.settings import FILE_NAME, NEXT_STEP, Settings
from qcqueue.app.wheel import CONTENTS, own_wheel
from qcqueue.errors import NameTaken, SettingInvalid
from qcqueue.stores.registry import parse_url
from qcqueue.stores.regular import NotRegularError, read_regular

MARK = {"format": 1}
MOST_BYTES = 64 << 20

TEXT = """\
# qcqueue worker

**What it does.** It takes the next job of your queue, trains it, saves after every epoch, and goes on where the last \
session was interrupted. Then it takes the job after that, until the machine is taken, the minutes are over, or \
nothing is left to do. Choose a GPU under *Runtime > Change runtime type*, press the button of the cell below, and \
press it again after any interruption.

**Colab's rules, which it keeps.** You start it, and the tab stays open: nothing here keeps a session alive, clicks, \
or opens a way in from outside. It works on your own jobs, with your one account. The GPU goes back as soon as there \
is nothing left to do.
"""

# What every worker cell does first; what its session is told follows.
BEGIN = """\
import os, time

began = time.time()
{install}

failure = install("[train,drive{more}]")
os.environ["QCQUEUE_INSTALL_S"] = str(time.time() - began)
if failure:
    print(failure)
else:
    import qcqueue

{owner}{client}{database}"""

CODE = """\
#@title Train {{ display-mode: "form" }}
store = {store} #@param {{type:"string"}}
#@markdown Stop after so many minutes; 0 is as long as the machine lasts.
minutes = 0 #@param {{type:"integer"}}
#@markdown The minutes that *Runtime > View resources* promises, if it does; 0 is not known.
promised_minutes = 0 #@param {{type:"integer"}}
#@markdown Leave after so many jobs; 0 is as many as the machine lasts for.
jobs = 0 #@param {{type:"integer"}}
release_the_gpu_when_done = True #@param {{type:"boolean"}}
#@markdown The digests of code of your own that may run on this machine, as *qcqueue enqueue* said them.
trust = "" #@param {{type:"string"}}

{begin}    qcqueue.work(
        store,
        max_minutes=minutes or None,
        promised_minutes=promised_minutes or None,
        jobs=jobs or None,
        release=release_the_gpu_when_done,
        trust=trust.split(),
    )
"""

TRY_TEXT = """\
# Try qcqueue

The cell below makes practice images, trains a small model on them, kills its session twice on purpose, goes on, and \
proves that it ends with the same bits as a run that was never killed. Then it shows the report. Nothing leaves \
this machine, and nobody signs in.
"""

TRY_CODE = """\
#@title Try it {{ display-mode: "form" }}
{install}

failure = install("[train]")
if failure:
    print(failure)
else:
    import qcqueue

    qcqueue.demo()
"""

OWNER = """\
    # Whose sessions these are; on Google Drive the account says it.
    os.environ["QCQUEUE_OWNER"] = {owner}
"""

CLIENT = """\
    # Your own OAuth client, with which this cell asks you to sign in where {place}'s secrets hold no QCQUEUE_TOKEN.
    os.environ["QCQUEUE_CLIENT"] = {client}
"""

DATABASE = """\
    # The queue is kept on a server; {place}'s secret PGPASSWORD is the password for it.
    os.environ["QCQUEUE_DATABASE"] = {database}
"""

# Who works on qcqueue has installed it in a way of their own, and keeps it.
INSTALL = """\
# qcqueue comes {comes}; what it needs is installed where this machine lacks it, and nothing is upgraded.
import importlib.metadata, subprocess, sys

{wanted}

def install(extras):
    there = next(iter(importlib.metadata.distributions(name="qcqueue")), None)
    if there and there.read_text("{mark}") in (None, CONTENTS):
        return ""
    if "qcqueue" in sys.modules:
        return "another qcqueue runs here\\nnext: restart the session, which keeps this disk, and run this cell again"
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-color", "--disable-pip-version-check"]
    if there:
        subprocess.run([*pip, "uninstall", "--yes", "qcqueue"])
    done = subprocess.run([*pip, "install", wanted(extras)], capture_output=True, text=True)
    if not done.returncode:
        return ""
    lines = done.stderr.splitlines() or ["pip says nothing"]
    why = next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), lines[-1])
    return f"qcqueue could not be installed: {{why}}\\nnext: run this cell again"
"""

FROM_INDEX = """\
CONTENTS = None


def wanted(extras):
    return f"qcqueue{{extras}}=={version}"
"""

BROUGHT = """\
CONTENTS = "{contents}"
WHEEL = '''
{text}
'''


def wanted(extras):
    import base64, lzma, pathlib, tempfile

    wheel = pathlib.Path(tempfile.mkdtemp(), "{name}")
    wheel.write_bytes(lzma.decompress(base64.b85decode("".join(WHEEL.split()))))
    return f"{{wheel}}{{extras}}"
"""
LINE = 2000
"""Characters of a line of the wheel: each line costs the file of a notebook eight more."""


@cache
def install_code(*, from_index: bool) -> str:
    """Return the code by which a cell installs this qcqueue: what it brings itself, or this version from an index."""
    if from_index:
        wanted = FROM_INDEX.format(version=version("qcqueue"))
        return INSTALL.format(comes="from the index of this machine", wanted=wanted, mark=CONTENTS)
    wheel = own_wheel()
    text = base64.b85encode(lzma.compress(wheel.data, preset=9 | lzma.PRESET_EXTREME)).decode()
    lines = "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
    wanted = BROUGHT.format(contents=wheel.contents_sha256, name=wheel.name, text=lines)
    return INSTALL.format(comes="with this cell", wanted=wanted, mark=CONTENTS)


def notebook_text(
    store: str,
    client: str | None = None,
    *,
    owner: str | None = None,
    database: str | None = None,
    from_index: bool = False,
) -> str:
    """Return the notebook for a store, as the text of its file.

    client: the JSON of an OAuth client. owner: whose sessions it runs, where the store knows no account. database: the
    URL of the server that keeps the queue beside the store. from_index: the cell installs this version of qcqueue from
    an index, and does not bring it.
    """
    code = code_for(CODE, store, client, owner, place="Colab", database=database, from_index=from_index)
    return as_notebook(TEXT, code, COLAB)


def trial_text(*, from_index: bool = False) -> str:
    """Return the notebook that shows how qcqueue works, as the text of its file; from_index as above."""
    return as_notebook(TRY_TEXT, TRY_CODE.format(install=install_code(from_index=from_index)), COLAB)


def code_for(
    code: str,
    store: str,
    client: str | None,
    owner: str | None,
    *,
    place: str,
    database: str | None = None,
    from_index: bool,
) -> str:
    """Return the code of a worker cell, filled in; place: whose secrets are named, the rest as above."""
    signing_in = "" if client is None else CLIENT.format(place=place, client=repr(client))
    in_code = json.dumps(store, ensure_ascii=False)
    whose = "" if owner is None else OWNER.format(owner=repr(owner))
    on_server = "" if database is None else DATABASE.format(place=place, database=repr(database))
    begin = BEGIN.format(
        owner=whose,
        client=signing_in,
        database=on_server,
        more=",postgres" if database else "",
        install=install_code(from_index=from_index),
    )
    return code.format(store=in_code, begin=begin)


COLAB = {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}


def as_notebook(text: str, code: str, place: Mapping[str, Any]) -> str:
    """Return a text cell and a code cell as the text of a notebook's file. place: what its machine is to be."""
    cells = [
        {"cell_type": "markdown", "id": "rules", "metadata": {}, "source": _lines(text)},
        {
            "cell_type": "code",
            "id": "worker",
            "metadata": {"cellView": "form"},
            "execution_count": None,
            "outputs": [],
            "source": _lines(code),
        },
    ]
    metadata = {
        **place,
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "qcqueue": MARK,
    }
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


class Text(Protocol):
    """`notebook_text`, for one place or another."""

    def __call__(
        self,
        store: str,
        client: str | None = None,
        *,
        owner: str | None = None,
        database: str | None = None,
        from_index: bool = False,
    ) -> str: ...


def worker_notebook(
    settings: Settings,
    *,
    client: Path | None,
    with_client: bool = False,
    from_index: bool = False,
    text: Text = notebook_text,
) -> str:
    """Return the notebook for the store of the settings, as the text of its file.

    client: the file of an OAuth client, to sign in with where there is no secret; with_client: the one of the sign-in
    of this machine. Raises: SettingInvalid: no store is named, or the file of the client cannot be used. SignInFailed:
    there is no client here. ClientRefused: its type is another.
    """
    if settings.store is None:
        raise SettingInvalid(f"no store is named: there is no {FILE_NAME} here or above", hint=NEXT_STEP)
    store = _within_reach(settings.store, settings.source)
    secret = _client_text(settings, client) if client or with_client else None
    database = settings.database.url if settings.database else None
    return text(store, secret, owner=settings.owner, database=database, from_index=from_index)


def write_notebook(path: Path, text: str) -> bool:
    """Write a notebook; return whether the file changed. Raises: as `ours_in`."""
    there = ours_in(path)
    with _writing(path):
        path.write_text(text, encoding="utf-8", newline="\n")
    return there != text.encode()


def ours_in(path: Path) -> bytes | None:
    """Return what qcqueue wrote to a file earlier, None where there is none.

    Raises: SettingInvalid: it cannot be written. NameTaken: there is another file.
    """
    with _writing(path):
        there = read_regular(path, bytes_max=MOST_BYTES) if path.exists() else None
    if there is not None and not _is_ours(there):
        raise _not_ours(path)
    return there


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except NotRegularError as exc:
        raise _not_ours(path) from exc
    except OSError as exc:
        raise SettingInvalid(
            f"{path} cannot be written: {exc.strerror}", hint="qcqueue notebook --out ANOTHER-PLACE.ipynb"
        ) from exc


def _not_ours(path: Path) -> NameTaken:
    if path.suffix != ".ipynb":
        return NameTaken(f"{path} was not written by qcqueue", hint="qcqueue notebook --out ANOTHER-FOLDER/FILE.ipynb")
    return NameTaken(f"{path} is no notebook of qcqueue", hint="qcqueue notebook --out OTHER.ipynb")


def _within_reach(store: str, source: str) -> str:
    """Return a store as a notebook elsewhere can name it. Raises: SettingInvalid: it names none that is there."""
    named = parse_url(store, source=source)
    if named.is_new:
        raise SettingInvalid("a notebook needs a queue that is there", hint=f"qcqueue init --store {named.url}")
    return named.url


def _client_text(settings: Settings, file: Path | None) -> str:
    from qcqueue.stores.drive.sign_in import client_for_notebook

    return client_for_notebook(settings.access(), file)


def _is_ours(content: bytes) -> bool:
    try:
        found: Any = json.loads(content)
        return isinstance(found.get("metadata", found)["qcqueue"], dict)
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
        return False


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").splitlines(keepends=True)
