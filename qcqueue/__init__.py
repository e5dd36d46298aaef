"""qcqueue: resumable training jobs for quota-limited GPUs.

Enqueue on a laptop, work in sessions that vanish, lose nothing: every epoch is saved, and a run that was cut
anywhere ends with the same bits as one that was not. The command line is `qcqueue`; from a notebook,
`qcqueue.work("folder:PATH")` is one session. The layers, top down:

    cli | notebook | conformance                   commands | the worker cell | what a new member is tried with
    drill | launchers                              proof under SIGKILLs, demo | sessions on Slurm, Ray, Kubernetes
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

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcqueue.engines.keras_tf.trained import TrainedModel
    from qcqueue.notebook.calls import Curves


def work(
    store: str | None = None,
    *,
    max_minutes: float | None = None,
    promised_minutes: float | None = None,
    max_epochs: int | None = None,
    jobs: int | None = 1,
    release: bool = True,
    now: bool = False,
    per_gpu: bool = False,
) -> str:
    """Run one session on this machine, as `qcqueue work` does, and return how it ended, in words.

    store is a URL such as "folder:PATH"; without one, the settings decide. promised_minutes is how long the machine
    is said to last from now on, such as in Colab's Resources pane. jobs is how many to end before leaving, None for as
    many as there are. In a notebook it shows one block that is kept up to date, and on Colab it
    gives the machine back when it is done, unless release is false or somebody interrupted it. now raises a queue of an
    older qcqueue to this version at once, though sessions of that one end. per_gpu runs one on each GPU at once, where
    there are several, and gives no machine back. Raises: QcqueueError, except in a notebook, which shows the error.
    """
    from qcqueue.app.windows import refuse_on_windows

    refuse_on_windows("work")
    from qcqueue.notebook import cell

    wanted = {"max_minutes": max_minutes, "promised_minutes": promised_minutes, "max_epochs": max_epochs, "jobs": jobs}
    return cell.work(store, wanted, release=release, now=now, per_gpu=per_gpu)


def report(
    store: str | None = None, *, out: str | Path = "report", by: str = "accuracy", jobs: Sequence[str] = ()
) -> Path:
    """Write the report of the queue into the folder `out`, as `qcqueue report` does, and return its page.

    by: what of validation chooses a model, "accuracy" or "macro-f1". jobs: names of the only ones to show, "study/" for
    all of a study. store as in `work`. A notebook shows the page below the cell. Raises: QcqueueError.
    """
    from qcqueue.notebook import report as reporting

    return reporting.report(store, folder=Path(out), by=by, jobs=jobs)


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

    refuse_on_windows("demo")
    from qcqueue.notebook import demo as demos

    return demos.demo(Path(out).absolute())


def add_data(
    path: str | Path,
    name: str,
    *,
    image_size: tuple[int, int] | int | str = (75, 75),
    split: Sequence[float] | str | None = None,
    split_folders: Mapping[str, str] | str | None = None,
    group_by: str | None = None,
    include: Iterable[str] = (),
    depth: int | str | None = None,
    seed: int = 1,
    store: str | None = None,
) -> dict[str, Any]:
    """Import images as the dataset `name`, as `qcqueue data add` does, and return what is said of it.

    path: a folder with one subfolder a class, a zip of one, or a CSV. image_size: height and width in pixels, or one
    number for both. split: counts such as (2200, 550, 486), or shares such as (0.7, 0.15, 0.15), for training,
    validation and test. split_folders: the folder of each part, where the author has split. The rest and store as in
    the command.
    Raises: QcqueueError.
    """
    from qcqueue.notebook import calls

    return calls.add_data(
        path,
        name,
        store,
        image_size=image_size,
        split=split,
        split_folders=split_folders,
        group_by=group_by,
        include=include,
        depth=depth,
        seed=seed,
    )


def enqueue(
    study: str | Path | Mapping[str, Any],
    store: str | None = None,
    *,
    keep_state: bool = False,
    replace: bool = False,
) -> list[str]:
    """Put the jobs of a study into the queue, all of them or none; return the names of those that are new.

    study: a study file, or its tables: {"study": "mine", "dataset": "photos", "job": [{"model": "VGG16"}]}. A weights
    file in them lies in the folder Python runs in. The rest as in `qcqueue enqueue`. Raises: QcqueueError.
    """
    from qcqueue.notebook import calls

    return calls.enqueue(study, store, keep_state=keep_state, replace=replace)


def status(store: str | None = None) -> Any:
    """Return how the jobs stand, a row each, as `qcqueue status --json` has them; failure and obstacle are sentences.

    A DataFrame where pandas is installed, else a list of dicts. store as in `work`. Raises: QcqueueError.
    """
    from qcqueue.notebook import calls

    return calls.status(store)


def history(job: str, store: str | None = None) -> Any:
    """Return the saved epochs of a job, a row each: loss, accuracy, learning rate, seconds, attempt, processor.

    Accuracies are shares of 0..1, times seconds. Type and store as in `status`. Raises: QcqueueError.
    """
    from qcqueue.notebook import calls

    return calls.history(job, store)


def plot(job: str, store: str | None = None) -> "Curves":
    """Return the accuracy and the loss of a job by epoch, as pictures that a notebook shows below the cell.

    `save(FOLDER)` writes them as SVG. store as in `work`. Raises: QcqueueError.
    """
    from qcqueue.notebook import calls

    return calls.plot(job, store)


def load_model(path: str | Path) -> "TrainedModel":
    """Return the trained model in a file that `qcqueue fetch JOB` wrote, in either of its formats.

    `model.predict("photo.jpg")` gives the probability of each class, `model.probabilities(images)` those of many images
    as an array, `model.keras` is the Keras model itself. Needs TensorFlow and Keras. Raises: QcqueueError.
    """
    from qcqueue.app import fetch

    return fetch.load_model(path)
