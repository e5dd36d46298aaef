"""Commands for what leaves the queue: trained weights, and epochs for TensorBoard and MLflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.data import progress_bar
from qcqueue.cli.panels import command_group
from qcqueue.cli.shared import JobArgument, JsonOption, StoreOption, one_of, open_queue, print_json, say
from qcqueue.errors import NOTHING_TO_DO

if TYPE_CHECKING:
    from qcqueue.app.fetch import Fetched
    from qcqueue.exports.run import TrackedOutcome

LONGEST_LIST = 20


def register(app: typer.Typer) -> None:
    app.command()(fetch)
    group = command_group("Hand the epochs of every job over to another program.")
    group.command("tensorboard")(tensorboard)
    group.command("mlflow")(mlflow)
    app.add_typer(group, name="export")


def fetch(
    job: JobArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write it into.")] = Path(),
    weights: Annotated[
        str, typer.Option("--weights", metavar="best|last", help="Those of the best epoch, or of the last whole one.")
    ] = "best",
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="safetensors|h5",
            help="For any program, or for Keras, which must be installed then. Default: h5 where Keras is installed.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the trained weights of a job here, with three lines of Python that use them."""
    from qcqueue.app.fetch import WeightsFormat, fetch_weights, usual_kind
    from qcqueue.app.trained_weights import Which

    which = Which(one_of(weights, tuple(Which), "--weights"))
    chosen, why = (
        usual_kind() if kind is None else (WeightsFormat(one_of(kind, tuple(WeightsFormat), "--format")), None)
    )
    context = open_queue(store)
    with progress_bar("fetching") as progress:
        fetched = fetch_weights(context, job, folder=out, which=which, kind=chosen, moved=progress)
    if as_json:
        print_json(_fetched_document(fetched))
    else:
        _show_fetched(fetched, why)


def tensorboard(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that TensorBoard will show.")] = Path(
        "tensorboard"
    ),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the epochs of every job as TensorBoard reads them, one run a job."""
    from qcqueue.app.export import export_tensorboard

    exported = export_tensorboard(open_queue(store), folder=out)
    _show_exported(exported, as_json, goes_to={"folder": str(out)}, then=f"tensorboard --logdir {_quoted(str(out))}")


def mlflow(
    uri: Annotated[
        str,
        typer.Option(
            "--tracking-uri",
            envvar="MLFLOW_TRACKING_URI",
            show_envvar=True,
            metavar="URI",
            help="The MLflow server or database to write to.",
        ),
    ] = "sqlite:///mlflow.db",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the epochs of every job to MLflow: one experiment a study, one run a job; again, only what is new."""
    from qcqueue.app.export import export_mlflow, without_password

    exported, shown = export_mlflow(open_queue(store), uri=uri), without_password(uri)
    then = f"mlflow ui --backend-store-uri {_quoted(shown)}" if "sqlite:" in shown else f"look at {shown}"
    _show_exported(exported, as_json, goes_to={"tracking_uri": shown}, then=then)


def _show_fetched(fetched: "Fetched", why: str | None) -> None:
    from qcqueue.core.states import State
    from qcqueue.text.humanize import percent, size
    from qcqueue.text.suggest import printable

    weights = fetched.weights
    say(f"{'written' if fetched.is_new else 'there already'}: {printable(str(fetched.path))}")
    say(
        f"the {weights.which} epoch of {printable(weights.spec.full_name)}: epoch {weights.epoch} of "
        f"{weights.spec.epochs}, validation accuracy {percent(fetched.val_accuracy)}, {size(fetched.size_bytes)}"
    )
    if fetched.state is not State.DONE:
        say(f"not done yet ({fetched.state}): these are the weights of what is saved so far")
    say(f"checked: weights {weights.sha256[:16]}…{', those of its result' if fetched.state is State.DONE else ''}")
    if why:
        say(f"as {fetched.kind}: {why}")
    say("next: put a photograph here as photo.jpg and run, in Python:\n")
    say("\n".join(fetched.lines))


def _fetched_document(fetched: "Fetched") -> dict[str, object]:
    weights = fetched.weights
    return {
        "job": weights.spec.full_name,
        "state": fetched.state,
        "file": str(fetched.path),
        "format": fetched.kind,
        "is_new": fetched.is_new,
        "bytes": fetched.size_bytes,
        "sha256": fetched.sha256,
        "weights": weights.which,
        "weights_sha256": weights.sha256,
        "epoch": weights.epoch,
        "epochs": weights.spec.epochs,
        "val_accuracy": fetched.val_accuracy,
        "classes": list(weights.classes),
        "python": list(fetched.lines),
    }


def _show_exported(
    exported: "tuple[TrackedOutcome, ...]", as_json: bool, *, goes_to: dict[str, str], then: str
) -> None:
    from qcqueue.text.humanize import count
    from qcqueue.text.suggest import printable

    if as_json:
        print_json({**goes_to, "runs": [it.to_json() for it in exported]})
        raise typer.Exit(0 if exported else NOTHING_TO_DO)
    for it in exported[:LONGEST_LIST]:
        say(f"{it.what}: {printable(it.job)}, {count(it.epochs, 'epoch')}")
    if len(exported) > LONGEST_LIST:
        say(f"... and {count(len(exported) - LONGEST_LIST, 'more job')}")
    if not exported:
        say("no job has a finished epoch yet\nnext: qcqueue status")
        raise typer.Exit(NOTHING_TO_DO)
    say(f"next: {printable(then)}")


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
