"""A person with the worker notebook in a Colab that is not there: a real kernel, a stub `google.colab`, one queue.

The notebook is written as the command writes it and executed by nbclient, in a process of its own with an
environment like Colab's. Where the queue is kept is up to the test; nothing leaves loopback and the test's folder.
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from qcqueue.app.kaggle_file import kaggle_text
from qcqueue.app.notebook_file import notebook_text
from qcqueue.engines.toy import VARIABLE
from tests.end_to_end.machines import LIMIT_S, wait_until

KERNEL = "python3"
LONGEST_S = 450
"""For a cell that trains with TensorFlow, on a machine that has much else to do."""
RELEASED = "released"
SECRETS = "STUB_SECRETS"
USERDATA = f'''
import json, os

class SecretNotFoundError(Exception):
    pass

class NotebookAccessError(Exception):
    pass

def get(name):
    secrets = json.loads(os.environ["{SECRETS}"])
    if name not in secrets:
        raise SecretNotFoundError(name)
    return secrets[name]
'''
KAGGLE_SECRETS = f"""
import json, os

class BackendError(Exception):
    pass

class UserSecretsClient:
    def get_secret(self, label):
        secrets = json.loads(os.environ["{SECRETS}"])
        if label not in secrets:
            raise BackendError(f"No user secrets exist for kernel id 4711 and label {{label}}.")
        return secrets[label]
"""
COUNTING_DOWN = """
    import qcqueue
    import qcqueue.notebook.cell
    qcqueue.notebook.cell.COUNTDOWN_S = 1
"""
RUNTIME = f'''
import pathlib

def unassign():
    (pathlib.Path(__file__).parents[2] / "{RELEASED}").touch()
'''


class Colab:
    """A stub of Colab's machine in a folder: its package, and whether it was given back. Secrets touch no disk."""

    def __init__(self, folder: Path, secrets: Mapping[str, str]) -> None:
        self.folder = folder
        self.secrets = dict(secrets)
        package = folder / "google" / "colab"
        package.mkdir(parents=True)
        for name, source in {"__init__": "", "userdata": USERDATA, "runtime": RUNTIME}.items():
            (package / f"{name}.py").write_text(source)

    @property
    def was_released(self) -> bool:
        return (self.folder / RELEASED).exists()

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def environment(self) -> dict[str, str]:
        """Return what a kernel on this machine finds; nothing of what the test's own laptop knows."""
        kept = {name: value for name, value in os.environ.items() if name != "QCQUEUE_TOKEN"}
        own = {
            "COLAB_RELEASE_TAG": "release-colab-stub",
            SECRETS: json.dumps(self.secrets),
            "PYTHONPATH": os.pathsep.join([str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "QCQUEUE_CACHE": str(self.cache),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            VARIABLE: "step_s=0.1",  # a kernel is killed long before its job is done
        }
        return kept | own


class Kaggle(Colab):
    """A stub of Kaggle's machine, whose image is made from Colab's; gpus: how many its driver tells of."""

    def __init__(self, folder: Path, secrets: Mapping[str, str], *, gpus: int = 0) -> None:
        super().__init__(folder, secrets)
        (folder / "kaggle_secrets.py").write_text(KAGGLE_SECRETS)
        for number in range(gpus):
            (folder / "gpus" / str(number)).mkdir(parents=True)
            (folder / "gpus" / str(number) / "information").write_text("Model: Tesla T4\n")

    def environment(self) -> dict[str, str]:
        # How old the machine is that runs the tests must not end a session.
        return super().environment() | {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "QCQUEUE_PROFILE": "local"}

    def notebook(self, store: str, *, from_index: bool) -> str:
        """Return the notebook for this machine, in whose kernel the driver's folder is this stub's."""
        driver = f'import pathlib, qcqueue.worker.machine as m\\n    m.CARDS = pathlib.Path(\\"{self.folder}/gpus\\")'
        text = kaggle_text(store, from_index=from_index)
        return text.replace("    import qcqueue\\n", f"    import qcqueue\\n    {driver}\\n")


class WatchedClient(NotebookClient):
    """Remembers all that ever stood below the cells: a block is drawn anew before a test can look at it."""

    def __init__(self, notebook: nbformat.NotebookNode, **options: Any) -> None:
        super().__init__(notebook, **options)
        self.was_shown: list[str] = []
        self.kernels: KernelSpecManager | None = None

    def create_kernel_manager(self) -> Any:
        found = super().create_kernel_manager()
        if self.kernels:
            found.kernel_spec_manager = self.kernels
        return found

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        output = super().process_message(msg, cell, cell_index)
        self.was_shown.append(_text(msg["content"]))  # no earlier than it stands there
        return output


@dataclass(frozen=True, slots=True)
class Running:
    """The notebook while its cells run."""

    client: WatchedClient
    thread: threading.Thread

    @property
    def shown(self) -> str:
        """What a person reads below the cells right now."""
        return "\n".join(_text(output) for output in self.outputs)

    @property
    def was_shown(self) -> str:
        """What a person who never looks away has read so far."""
        return "\n".join(self.client.was_shown)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return [output for cell in self.client.nb.cells for output in cell.get("outputs", [])]

    def interrupt(self) -> None:
        """Press the button that stops a cell: the kernel's whole group is told, as Jupyter does."""
        os.killpg(self._pid(), signal.SIGINT)

    def kill(self) -> None:
        """Take the kernel away without a word."""
        os.kill(self._pid(), signal.SIGKILL)

    def wait_for(self, words: str) -> None:
        """Wait until a person has read these words, be they gone again."""
        wait_until(lambda: words in self.was_shown or not self.thread.is_alive())
        assert words in self.was_shown, self.shown

    def ended(self, *, limit_s: float = LIMIT_S) -> str:
        """Wait until all cells have run, without an error; return what is shown then."""
        self.thread.join(limit_s)
        assert not self.thread.is_alive(), self.shown
        assert not any(output["output_type"] == "error" for output in self.outputs), self.shown
        return self.shown

    def _pid(self) -> int:
        manager: Any = self.client.km
        return int(manager.provisioner.pid)


@contextmanager
def running(
    colab: Colab, *stores: str, release: bool = True, client: str | None = None, clean: Path | None = None
) -> Iterator[Running]:
    """Open a notebook on this Colab and run the cell of each store in turn, with a short countdown before the machine
    goes back.

    clean: the Python of an environment without qcqueue and without an index, into which the notebook brings its own.
    """
    texts = [notebook_text(store, client, from_index=clean is None) for store in stores]
    if not release:
        texts = [
            text.replace("release_the_gpu_when_done = True", "release_the_gpu_when_done = False") for text in texts
        ]
    with opened(colab, *texts, clean=clean) as run:
        yield run


@contextmanager
def opened(colab: Colab, *texts: str, clean: Path | None = None) -> Iterator[Running]:
    """Run the cells of these notebooks in turn in one kernel; whatever still runs at the end is killed."""
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    for text in texts:
        notebook.cells += nbformat.reads(text, as_version=4).cells  # type: ignore[no-untyped-call]
    for number, cell in enumerate(notebook.cells):
        cell.source = cell.source.replace("\n    import qcqueue\n", COUNTING_DOWN)
        cell.id = f"cell-{number}"
    runner = WatchedClient(
        notebook,
        timeout=LONGEST_S,
        allow_errors=True,
        kernel_name=KERNEL,
        resources={"metadata": {"path": colab.folder}},
    )
    if clean:
        runner.kernels = _kernels_of(clean, colab.folder)
    environment = colab.environment()
    if clean:
        environment |= {"PYTHONPATH": os.fspath(colab.folder), "PIP_NO_INDEX": "1"}
    thread = threading.Thread(target=_execute, args=(runner, environment))
    thread.start()
    run = Running(runner, thread)
    try:
        yield run
    finally:
        if thread.is_alive():
            run.kill()
        thread.join(LIMIT_S)


def _kernels_of(python: Path, folder: Path) -> KernelSpecManager:
    """Return where kernels of another Python are found."""
    started_by = {"argv": [os.fspath(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    spec = folder / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({**started_by, "display_name": KERNEL, "language": "python"}))
    return KernelSpecManager(kernel_dirs=[os.fspath(folder / "kernels")], ensure_native_kernel=False)


def _execute(client: NotebookClient, environment: dict[str, str]) -> None:
    with contextlib.suppress(DeadKernelError):  # the test took it away
        asyncio.run(client.async_execute(env=environment))


def _text(output: dict[str, Any]) -> str:
    found = output.get("text") or output.get("data", {}).get("text/plain") or output.get("traceback") or ""
    return found if isinstance(found, str) else "\n".join(found)
