"""qcqueue: resumable training jobs for quota-limited GPUs.

Enqueue on a laptop, work in sessions that vanish, lose nothing: every epoch is saved, and a run that was cut
anywhere ends with the same bits as one that was not. The command line is `qcqueue`; from a notebook,
`qcqueue.work("folder:PATH")` is one session. The layers, top down:

    cli | notebook | conformance                   commands | the worker cell | what a new member is tried with
    drill                                          proof under SIGKILLs, certificate, demo
    app                                          composition root and whole operations
    worker | trainer | reports | exports           the session | its child process | the report | files for others
    planning                                       policies, forecasts, survival of sessions
    queue | spool | engines                        transactions | between two processes | what builds and steps a model
    checkpoints | database | datasets | providers  state files | schema and its homes | images | places that lend GPUs
    core                                           specs, states, records: pure values
    stores                                         bytes, heartbeats and create-once slots, kind by kind
    catalog                                        models, optimizers, augmentations: a row each
    text                                           words for people, suggestions, TOML in, canonical JSON out
    errors | clock | disk                          every error | the only door to time and chance | how disks fail
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcqueue.engines.keras_tf.trained import TrainedModel


def work(
    store: str | None = None,
    *,
    max_minutes: float | None = None,
    promised_minutes: float | None = None,
    max_epochs: int | None = None,
    jobs: int | None = 1,
    release: bool = True,
    now: bool = False,
) -> str:
    """Run one session on this machine, as `qcqueue work` does, and return how it ended, in words.

    store is a URL such as "folder:PATH"; without one, the settings decide. promised_minutes is how long the machine
    is said to last from now on, such as in Colab's Resources pane. jobs is how many to end before leaving, None for as
    many as there are. In a notebook it shows one block that is kept up to date, and on Colab it
    gives the machine back when it is done, unless release is false or somebody interrupted it. now raises a queue of an
    older qcqueue to this version at once, though sessions of that one end. Raises: QcqueueError, except in a notebook,
    which shows the error.
    """
    from qcqueue.app.windows import refuse_on_windows

    refuse_on_windows("qcqueue.work")
    from qcqueue.notebook import cell

    wanted = {"max_minutes": max_minutes, "promised_minutes": promised_minutes, "max_epochs": max_epochs, "jobs": jobs}
    return cell.work(store, wanted, release=release, now=now)


def report(store: str | None = None, *, out: str | Path = "report") -> Path:
    """Write the report of the whole queue into the folder `out`, as `qcqueue report` does, and return its page.

    store as in `work`. A notebook shows the page below the cell. Raises: QcqueueError.
    """
    from qcqueue.notebook import report as reporting

    return reporting.report(store, folder=Path(out))


def results(store: str | None = None) -> dict[str, Any]:
    """Return every table of the report by its key, for numbers to go on with.

    store as in `work`. A table is a pandas DataFrame where pandas is installed, else a list of dicts; what is not known
    is missing or None. "notes" says what limits a number, and each row names its notes. Raises: QcqueueError.
    """
    from qcqueue.notebook import report as reporting

    return reporting.results(store)


def demo(out: str | Path = "qcqueue-demo") -> Path | None:
    """See it work, without an account, in the folder `out`: a small model, sessions killed on purpose, proof, report.

    In a notebook it takes a model of Keras where TensorFlow is installed, shows the report below the cell and tells an
    error in two lines. Returns the page of the report. Raises: QcqueueError, except in a notebook.
    """
    from qcqueue.app.windows import refuse_on_windows

    refuse_on_windows("qcqueue.demo")
    from qcqueue.notebook import demo as demos

    return demos.demo(Path(out).absolute())


def load_model(path: str | Path) -> "TrainedModel":
    """Return the trained model in a file that `qcqueue fetch JOB --format safetensors` wrote.

    `model.predict("photo.jpg")` gives the probability of each class, `model.probabilities(images)` those of many images
    as an array, `model.keras` is the Keras model itself. Needs TensorFlow and Keras. Raises: QcqueueError.
    """
    from qcqueue.app import fetch

    return fetch.load_model(path)
