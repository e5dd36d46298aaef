"""The Colab worker notebook as a file: a text cell with the rules, and one cell that shows as a small form.

Plain JSON in the notebook format 4.5. It holds no output, no sign-in, and nothing that works without a person who
opens it and presses a button; on demand it holds an OAuth client with its secret, which opens nothing by itself. It
installs the version of qcqueue that wrote it. A file that qcqueue did not write is never replaced.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qcqueue.app.settings import FILE_NAME, NEXT_STEP, Settings
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

import importlib.util, os, time

began = time.time()
if importlib.util.find_spec("qcqueue") is None:
    %pip install --quiet "qcqueue[train,drive]=={version}"
os.environ["QCQUEUE_INSTALL_S"] = str(time.time() - began)

import qcqueue
{client}
qcqueue.work(
    store,
    max_minutes=minutes or None,
    promised_minutes=promised_minutes or None,
    jobs=jobs or None,
    release=release_the_gpu_when_done,
);
"""


CLIENT = """
# Your own OAuth client, with which this cell asks you to sign in where Colab's secrets hold no QCQUEUE_TOKEN.
import os
os.environ["QCQUEUE_CLIENT"] = {client}
"""


def notebook_text(store: str, client: str | None = None) -> str:
    """Return the notebook for a store, as the text of its file; client: the JSON of an OAuth client."""
    signing_in = "" if client is None else CLIENT.format(client=repr(client))
    in_code = json.dumps(store, ensure_ascii=False)
    code = CODE.format(store=in_code, client=signing_in, version=version("qcqueue"))
    cells = [
        {"cell_type": "markdown", "id": "rules", "metadata": {}, "source": _lines(TEXT)},
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
        "accelerator": "GPU",
        "colab": {"gpuType": "T4", "provenance": []},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "qcqueue": MARK,
    }
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def write_notebook(path: Path, settings: Settings, *, client: Path | None) -> bool:
    """Write the notebook for the store of the settings; return whether the file changed.

    client: the file of an OAuth client, to sign in with where there is no secret. Raises: SettingInvalid: no store is
    named, or a file cannot be used. NameTaken: there is another file.
    """
    if settings.store is None:
        raise SettingInvalid(f"no store is named: there is no {FILE_NAME} here or above", hint=NEXT_STEP)
    store = _within_reach(settings.store, settings.source)
    text = notebook_text(store, _client_text(client) if client else None)
    try:
        there = read_regular(path, bytes_max=MOST_BYTES) if path.exists() else None
        if there is not None and not _is_ours(there):
            raise _not_ours(path)
        path.write_text(text, encoding="utf-8")
    except NotRegularError as exc:
        raise _not_ours(path) from exc
    except OSError as exc:
        raise SettingInvalid(
            f"{path} cannot be written: {exc.strerror}", hint="qcqueue notebook --out ANOTHER-PLACE.ipynb"
        ) from exc
    return there != text.encode()


def _not_ours(path: Path) -> NameTaken:
    return NameTaken(f"{path} is no notebook of qcqueue", hint="qcqueue notebook --out OTHER.ipynb")


def _within_reach(store: str, source: str) -> str:
    """Return a store as a notebook elsewhere can name it. Raises: SettingInvalid: it names none that is there."""
    named = parse_url(store, source=source)
    if named.is_new:
        raise SettingInvalid("a notebook needs a queue that is there", hint=f"qcqueue init --store {named.url}")
    return named.url


def _client_text(path: Path) -> str:
    from qcqueue.stores.drive.sign_in import client_text

    return client_text(path)


def _is_ours(content: bytes) -> bool:
    try:
        found: Any = json.loads(content)
        return "qcqueue" in found["metadata"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return False


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").splitlines(keepends=True)
