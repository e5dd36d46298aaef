"""Commands that show and prove: demo, drill, report."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcqueue.cli import shared
from qcqueue.cli.shared import (
    JsonOption,
    MineOption,
    StoreOption,
    narrate,
    one_of,
    open_queue,
    owner_here,
    print_json,
    say,
)
from qcqueue.errors import UserError

if TYPE_CHECKING:
    from qcqueue.reports.write import WrittenReport

WATCH_EVERY_S = 10.0


def register(app: typer.Typer) -> None:
    for command in (demo, drill, report):
        app.command()(command)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to play; a second run replaces it.")] = Path(
        "qcqueue-demo"
    ),
    fast: Annotated[
        bool, typer.Option("--fast", help="Train three toys instead, in seconds and without TensorFlow.")
    ] = False,
) -> None:
    """See it work, without an account: six small models, sessions killed on purpose, the proof, the report."""
    from qcqueue.app.windows import refuse_on_windows
    from qcqueue.cli.data import or_without, progress_bar
    from qcqueue.cli.screens import certificate_screen, kill_list, status_screen

    refuse_on_windows("demo")
    from qcqueue.clock import SystemClock
    from qcqueue.drill.demo import six_models, tour, toys

    with progress_bar("degrading photographs") as progress, or_without("qcqueue demo --fast"):
        shown = tour(out.absolute(), toys() if fast else six_models(), narrate=narrate, progress=progress)
    say(status_screen(shown.lines, now_s=SystemClock().now_s()))
    say("\n" + kill_list(shown.kills))
    say("\n" + certificate_screen(shown.certificate))
    say(f"\nReport: {shown.report}")
    say(f"next: qcqueue status --store folder:{out / 'queue'}, or start your own with qcqueue init")


def drill(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file; every job in it is drilled.")],
    kills: Annotated[int, typer.Option("--kills", metavar="N", help="How often each job is killed.")] = 5,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", help="Decides when the kills fall.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every job.")
    ] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="NAME", help="Drill only this job of the file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the certificates as JSON.")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="Where the run that is killed keeps its queue, which is removed afterwards: folder:, folder:PATH, "
            "shared:PATH, gdrive:new or gdrive:FOLDER_ID (a new folder on the same Drive). Default: folder:, a "
            "temporary one. Datasets come from the queue in qcqueue.toml or QCQUEUE_STORE.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run jobs undisturbed and with N SIGKILLs, compare every bit, print a certificate."""
    from qcqueue.app.windows import refuse_on_windows

    refuse_on_windows("drill")
    from qcqueue.cli.screens import certificate_screen
    from qcqueue.clock import fresh_seed
    from qcqueue.drill.certificate import document_of, write_certificates
    from qcqueue.drill.drill import drill_file

    if kills < 0:
        raise UserError(f"--kills {kills} is not a number of kills", hint="qcqueue drill FILE --kills 20")
    if out and (out.is_dir() or not out.parent.is_dir()):  # known now, not after an hour of drilling
        raise UserError(f"--out {out} cannot be written: its folder is missing, or it is one", hint="--out FILE.json")
    chosen = fresh_seed() if seed is None else seed
    certificates = []
    with tempfile.TemporaryDirectory(prefix="qcqueue-drill-") as folder:
        for certificate in drill_file(
            file,
            overrides=settings or [],
            only=job,
            store=store,
            kills=kills,
            seed=chosen,
            folder=Path(folder),
            narrate=narrate,
        ):
            certificates.append(certificate)
            if not as_json:
                say(certificate_screen(certificate))
    if out:
        write_certificates(out, certificates)
    if as_json:
        print_json(document_of(certificates))
    if not all(certificate.is_equal for certificate in certificates):
        raise typer.Exit(shared.FAILED)


def report(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write it.")] = Path("report"),
    certificates: Annotated[
        list[Path] | None,
        typer.Option("--certificate", metavar="FILE", help="Attach what `drill --out FILE` wrote; may be repeated."),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="METRIC", help="What of validation chooses a model: accuracy or macro-f1.")
    ] = "accuracy",
    studies: Annotated[
        list[str] | None, typer.Option("--study", metavar="STUDY", help="Only the jobs of this study; may be repeated.")
    ] = None,
    jobs: Annotated[
        list[str] | None, typer.Option("--jobs", metavar="JOB", help="Only this job; may be repeated, or JOB,JOB.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again as epochs come, until Ctrl-C; then load the page again.")
    ] = False,
    mine: MineOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the benchmark report of the queue: a page, its figures and tables, and where they come from."""
    from qcqueue.app.report import ReportScope, report_on, reports_on
    from qcqueue.drill.certificate import read_certificates
    from qcqueue.reports.quantities.choice import Metric

    metric = Metric(one_of(by, tuple(Metric), "--by"))
    if watch and as_json:
        raise UserError("--watch goes on, and --json is one document", hint="qcqueue report --json")
    attached = [certificate for file in certificates or [] for certificate in read_certificates(file)]
    context = open_queue(store)
    named = [f"{study.removesuffix('/')}/" for study in studies or []]
    named += [job for typed in jobs or [] for job in typed.split(",") if job]
    scope = ReportScope(owner=owner_here(context, "qcqueue report") if mine else None, jobs=tuple(named), by=metric)
    if watch:
        for written in reports_on(
            context, folder=out, certificates=attached, narrate=narrate, scope=scope, every_s=WATCH_EVERY_S
        ):
            _tell(written, as_json=False)
    else:
        _tell(report_on(context, folder=out, certificates=attached, narrate=narrate, scope=scope), as_json=as_json)


def _tell(written: "WrittenReport", *, as_json: bool) -> None:
    """Say where a report lies, and what is missing from it."""
    lacks = [f"without PNG: {written.lacks}; {written.lacks.hint}"] if written.lacks else []
    for sentence in (*written.unread, *lacks):
        narrate(sentence)
    if as_json:
        print_json({"report": str(written.page), "unread": list(written.unread), "has_png": not lacks})
    else:
        say(f"Report: {written.page}\nnext: open it in a browser")
