"""The worker notebook for Kaggle: its words, its cell, and beside it the file that says what its machine is to be.

What a notebook is, and how qcqueue gets into a cell, is `notebook_file`'s. Always true: neither file replaces one that
qcqueue did not write, and the name that a person has put into the second one stays there.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from qcqueue.app.notebook_file import MARK, as_notebook, code_for, ours_in, write_notebook
from qcqueue.app.settings import Settings, named_store
from qcqueue.errors import UserError
from qcqueue.stores.registry import kind_of
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.humanize import listed

METADATA_FILE = "kernel-metadata.json"
TOKEN = "QCQUEUE_TOKEN"
NOBODY = "YOUR-KAGGLE-NAME"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# The title of a notebook has five letters at least, and its name is made of that.
IDENTITY = re.compile(rf"{NAME.pattern}/[a-z0-9][a-z0-9-]{{4,99}}")
KAGGLE = {"kaggle": {"accelerator": "nvidiaTeslaT4", "isGpuEnabled": True, "isInternetEnabled": True}}

TEXT = """\
# qcqueue worker

**What it does.** It takes the next job of your queue for each GPU of this machine, trains it, saves after every \
epoch, and goes on where the last session was interrupted. Then it takes the job after that, until the session is as \
old as Kaggle lets it be, the minutes are over, or nothing is left to do; with nothing to do it ends at once.

**Before the first run.** *Session options*: *Accelerator* GPU T4 x2, *Internet* on; both want a phone number that \
Kaggle has verified. {sign_in}

**Kaggle's rules, which it keeps.** You start each run: nothing here starts the next one, keeps a session alive, or \
opens a way in from outside. It works on your own jobs, with your one account; Kaggle forbids a second account, and \
computing for others. An open page counts against the 30 hours of your week until you stop the session.
"""

WITH_SECRET = """\
*Add-ons > Secrets > Add secret*: the label `QCQUEUE_TOKEN`, as its value the line that `qcqueue colab-token` printed \
on your laptop, attached to this notebook. Then run the cell, with this page open, or choose *Save Version > Save & \
Run All*, which goes on without the page. An upload may take the secret off the notebook: look there again before you \
run it.\
"""

WITH_CLIENT = """\
Then run the cell, with this page open: it shows a code, and the page on which you type it. *Save & Run All* shows it \
to nobody, and needs a secret instead: `qcqueue colab-token` says how.\
"""

WITH_KEYS = """\
*Add-ons > Secrets > Add secret*, attached to this notebook: what the bucket knows you by, such as {names}. A cell \
above this one hands each over: `import os, kaggle_secrets as kept; os.environ["NAME"] = \
kept.UserSecretsClient().get_secret("NAME")`. An upload may take secrets off the notebook: look there again before you \
run it.\
"""

CODE = """\
# Set what you like, run this cell, and run it again whenever you come back.
store = {store}
minutes = 0  # leave after so many minutes; 0 is as long as the session lasts
jobs = 0  # leave a GPU after so many jobs; 0 is as many as the session lasts for
per_gpu = True  # work on each GPU: Kaggle lends two, and counts the hours of the session
trust = ""  # the digests of code of your own that may run on this machine, as qcqueue enqueue said them

{begin}    qcqueue.work(store, max_minutes=minutes or None, jobs=jobs or None, per_gpu=per_gpu, trust=trust.split())
"""


def check_within_reach(settings: Settings) -> None:
    """Raises: UserError: the queue lies on a disk, which no machine of Kaggle reaches. SettingInvalid."""
    named = named_store(settings)
    if named.kind.is_path:
        raise UserError(f"Kaggle cannot reach {named.url}", hint="qcqueue init --store gdrive:new, in another folder")


def kaggle_text(
    store: str,
    client: str | None = None,
    *,
    owner: str | None = None,
    database: str | None = None,
    from_index: bool = False,
) -> str:
    """Return the notebook for a store; as `notebook_file.notebook_text`."""
    text = TEXT.format(sign_in=_signing_in(store, has_client=client is not None))
    code = code_for(CODE, store, client, owner, place="Kaggle", database=database, from_index=from_index)
    return as_notebook(text, code, KAGGLE)


def _signing_in(store: str, *, has_client: bool) -> str:
    names = _keys_of(store)
    if names:
        return WITH_KEYS.format(names=listed([f"`{name}`" for name in names]))
    return WITH_CLIENT if has_client else WITH_SECRET


def _keys_of(store: str) -> tuple[str, ...]:
    """Return the variables by which a store usually knows whoever asks, none where a token signs in to it."""
    kind = kind_of(store)
    return kind.secrets[:2] if kind and TOKEN not in kind.secrets else ()


def write_for_kaggle(path: Path, text: str, *, environ: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Write a notebook and its metadata beside it; return whether a file changed, and the id that Kaggle is told.

    Raises: as `ours_in`, for either file, before any is written. UserError: both would be one file.
    """
    ours_in(path)  # a path that has no name is a folder
    beside = path.with_name(METADATA_FILE)
    if path.name.casefold() == METADATA_FILE:  # many disks know no capitals
        raise UserError(f"{path} is where the metadata goes", hint="qcqueue notebook --for kaggle --out OTHER.ipynb")
    identity = _identity(ours_in(beside), environ)
    changed = write_notebook(path, text)
    return write_notebook(beside, metadata_text(path.name, identity)) or changed, identity


def metadata_text(file: str, identity: str) -> str:
    """Return what `kaggle kernels push` is to know of the notebook in a file, as the text of a file."""
    metadata = {
        "id": identity,
        "title": "qcqueue worker" if identity.endswith("/qcqueue-worker") else identity.partition("/")[2],
        "code_file": file,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": True,
        "machine_shape": "NvidiaTeslaT4",
        "dataset_sources": [],
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
        "qcqueue": MARK,
    }
    return json.dumps(metadata, indent=2) + "\n"


def kaggle_steps(file: str, settings: Settings, identity: str, *, has_client: bool) -> Iterator[str]:
    """Yield the lines on what to do next with the notebook."""
    wants_secret = TOKEN in named_store(settings).kind.secrets
    if wants_secret and not has_client:
        yield "next: qcqueue colab-token; what it prints is for Kaggle's secret QCQUEUE_TOKEN;"
    lead = "     " if wants_secret and not has_client else "next:"
    yield f"{lead} open {file} in a new notebook of Kaggle (File > Import Notebook), and do what its first cell says"
    if has_client:
        yield "      the notebook holds your client's secret, so share it with nobody"
    if identity.startswith(f"{NOBODY}/"):
        yield f"      before a kaggle kernels push, put your name at Kaggle in place of {NOBODY} in {METADATA_FILE}"


def _identity(there: bytes | None, environ: Mapping[str, str]) -> str:
    """Return what a person has named the notebook, else its usual name under theirs, as far as that is known."""
    with suppress(ValueError, TypeError, KeyError):
        found = parse_json(there or b"")["id"]
        if IDENTITY.fullmatch(found) and not found.startswith(f"{NOBODY}/"):
            return str(found)
    name = environ.get("KAGGLE_USERNAME", "")
    return f"{name if NAME.fullmatch(name) else NOBODY}/qcqueue-worker"
