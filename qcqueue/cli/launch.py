"""`launch`: sessions on an engine that a lab has already."""

import os
import shlex
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli.panels import command_group
from qcqueue.cli.shared import JsonOption, StoreOption, narrate, open_queue, print_json, say

if TYPE_CHECKING:
    from qcqueue.app.context import QueueContext
    from qcqueue.launchers.ray import QueueProgress

SessionsOption = Annotated[int, typer.Option("--sessions", metavar="N", help="How many sessions to run at once.")]
GpusOption = Annotated[
    int, typer.Option("--gpus", metavar="N", help="GPUs of a machine, with a session on each; 0 for none.")
]
PrintOption = Annotated[bool, typer.Option("--print", help="Print what would be handed over, and hand over nothing.")]


def register(app: typer.Typer) -> None:
    group = command_group("Start sessions on Slurm, Ray or Kubernetes; each is started again until nothing is left.")
    for command in (slurm, ray, kubernetes):
        group.command()(command)
    app.add_typer(group, name="launch")


def slurm(
    sessions: SessionsOption,
    time: Annotated[
        str, typer.Option("--time", metavar="LIMIT", help="How long Slurm lets a session run: 4:00:00, or minutes.")
    ],
    gpus: GpusOption = 1,
    partition: Annotated[
        str | None, typer.Option("--partition", metavar="P", help="The partition, if not Slurm's default.")
    ] = None,
    only_print: PrintOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand an array of sessions to Slurm; each saves before its time is over, and is put back into Slurm's queue."""
    from qcqueue.app.settings import load_settings
    from qcqueue.launchers.base import begins_within_s, environment_of_sessions, launch_of
    from qcqueue.launchers.slurm import check_time, script, submit
    from qcqueue.text.humanize import count

    settings = load_settings(store=store)
    launch = launch_of(settings, sessions=sessions, gpus=gpus)
    context = open_queue(store)
    check_time(time, begins_s=begins_within_s(context))
    text = script(launch, python=sys.executable, cache=settings.cache.absolute(), time=time, partition=partition)
    number = None if only_print else submit(text, environment_of_sessions(settings, os.environ))
    if as_json:
        print_json({"store": context.store.url, "sessions": sessions, "script": text, "submitted": number})
        return
    if number is None:
        say(text.removesuffix("\n"))
        return
    say(f"submitted: {count(sessions, 'session')} as array {number}; each writes qcqueue-{number}_N.log here")
    say(f"look at it: squeue --job {number}; end it: scancel {number}\nnext: qcqueue status")


def ray(
    sessions: SessionsOption,
    gpus: GpusOption = 1,
    address: Annotated[
        str | None, typer.Option("--address", metavar="A", help="The cluster's, if it is not this machine alone.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run sessions as tasks of Ray until nothing is left to do; one whose node is lost is started again elsewhere."""
    from qcqueue.app.settings import load_settings
    from qcqueue.app.work import answering
    from qcqueue.core.outcomes import worst_exit_code
    from qcqueue.core.signals import FOR_THE_SESSION, asked_by
    from qcqueue.errors import INTERRUPTED, RESUMABLE
    from qcqueue.launchers.base import launch_of
    from qcqueue.launchers.ray import run_on_ray

    launch = launch_of(load_settings(store=store), sessions=sessions, gpus=gpus, elsewhere=address is not None)
    context = open_queue(store)
    asked = list[int]()

    def stop(number: int, frame: FrameType | None) -> None:
        if not asked:
            with suppress(RuntimeError):  # it may come in the midst of another line
                narrate(f"{asked_by(number, interrupt='Ctrl-C')}; all sessions are saving and leaving")
        asked.append(number)

    with answering(stop, FOR_THE_SESSION):
        codes = run_on_ray(
            launch,
            address=address,
            look=lambda: _progress(context),
            is_stopping=lambda: bool(asked),
            tell=narrate,
            clock=context.clock,
        )
    stopped = INTERRUPTED if signal.SIGINT in asked else RESUMABLE
    if as_json:
        print_json({"store": context.store.url, "sessions": codes, "stopped": bool(asked)})
    else:
        say("next: qcqueue status")
    raise typer.Exit(stopped if asked else worst_exit_code(codes))


def kubernetes(
    sessions: SessionsOption,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help='Of a container with "qcqueue[train]" installed in it.')
    ],
    gpus: GpusOption = 1,
    only_print: PrintOption = False,
    store: StoreOption = None,
) -> None:
    """Write the manifest of a Job whose pods are sessions; kubectl hands it to the cluster."""
    from qcqueue.app.settings import load_settings, named_store
    from qcqueue.database.address import PASSWORD
    from qcqueue.errors import UserError
    from qcqueue.launchers.base import launch_of
    from qcqueue.launchers.kubernetes import IMAGE, SECRET, manifest

    settings = load_settings(store=store)
    if not only_print:
        again = f"qcqueue launch kubernetes --sessions {sessions} --image {shlex.quote(image)} --print > job.json"
        raise UserError(
            "qcqueue does not talk to Kubernetes itself; kubectl does",
            hint=f"{again}; then: kubectl create -f job.json",
        )
    if not IMAGE.fullmatch(image):
        raise UserError(f"--image {image!r} can be no image of a container", hint="--image REGISTRY/NAME:TAG")
    launch, place = launch_of(settings, sessions=sessions, gpus=gpus), named_store(settings)
    say(manifest(launch, image=image))
    if place.kind.is_path:
        narrate(f"its pods must find {place.address}: add a volume for it, which only your cluster can name")
    if names := (*place.kind.secrets, *([PASSWORD] if settings.database else [])):
        wanted = [name for name in names if name in os.environ] or names[:2]
        given = " ".join(f'--from-literal={name}="${name}"' for name in wanted)
        narrate(f"its pods sign in with a Secret of the cluster: kubectl create secret generic {SECRET} {given}")


def _progress(context: "QueueContext") -> "QueueProgress":
    from qcqueue.app.status import status_of
    from qcqueue.core.states import State
    from qcqueue.launchers.ray import QueueProgress

    lines = status_of(context).lines
    states = [line.state for line in lines]
    return QueueProgress(
        done=states.count(State.DONE),
        jobs=len(lines),
        epochs=sum(line.epochs_done for line in lines),
        waiting=sum(line.state is State.QUEUED and line.obstacle is None for line in lines),
        running=states.count(State.RUNNING),
    )
