"""The commands plan and quota: what is left and until when, and how much of a GPU there is to do it with."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcqueue.app.documents import obstacle_document
from qcqueue.cli.shared import (
    JsonOption,
    MineOption,
    StoreOption,
    narrate,
    open_queue,
    owner_here,
    print_json,
    say,
    tell_age,
)
from qcqueue.errors import NOTHING_TO_DO, UserError
from qcqueue.text.humanize import SOON_S, by, count, duration, fixed, iso, listed

if TYPE_CHECKING:
    from qcqueue.app.plan import JobPlan, Plan
    from qcqueue.app.queue_summary import QueueView
    from qcqueue.core.quantiles import Quantiles
    from qcqueue.planning.calibration import HitRate
    from qcqueue.planning.forecast import Finish
    from qcqueue.planning.quota import Reason
    from qcqueue.providers.base import LiveQuota

NOT_FORESEEN = "not foreseen"
SOON = "in minutes"
_HEAD = ("JOB", "LEFT", "EPOCHS", "SESSIONS", "50 % BY", "90 % BY", "KNOWN")
_FIGURES = ("FIGURE", "SAID", "BASIS", "CHECKED", "WORTH", "SOURCE")


def register(app: typer.Typer) -> None:
    for command in (plan, quota):
        app.command()(command)


def plan(
    jobs: Annotated[
        int,
        typer.Option("--jobs", metavar="N", help="How many jobs a session works on; 0: as many as it lives for."),
    ] = 1,
    ics: Annotated[
        Path | None,
        typer.Option("--ics", metavar="FILE", help="Write a calendar entry for the next time a GPU can be had."),
    ] = None,
    mine: MineOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how long what is left will take: for every job and in all, sessions and the dates by which it is done."""
    from qcqueue.app.plan import make_plan
    from qcqueue.app.queue_summary import see
    from qcqueue.app.settings import load_settings
    from qcqueue.cli.screens import released
    from qcqueue.core.owners import named
    from qcqueue.core.states import State
    from qcqueue.planning.calibration import calibration
    from qcqueue.queue.job_lines import job_lines

    if jobs < 0:
        raise UserError(f"--jobs {jobs} is not a number of jobs", hint="--jobs 1, or 0 for as many as a session lives")
    context = open_queue(store)
    owner = owner_here(context, "qcqueue plan") if mine else None
    seen = see(context, load_settings(store=store), ask_quota=True)
    tell_age(context)
    if not any(owner in (None, job.owner) for job in seen.stats.ahead):
        past = calibration(seen.past)
        if as_json:
            told = {"jobs": [], "past_forecasts": _hit_rate_document(past)}
            print_json({"store": context.store.url, "as_of": iso(context.as_of_s()), **told})
        with context.read() as tx:
            held = [line for line in job_lines(tx) if line.state is State.HELD and owner in (None, line.owner)]
        but = f", except {count(len(held), 'job')} on hold" if held else ""
        whose = f" of {named(owner)}" if owner else ""
        narrate(f"nothing{whose} is left to train{but}")
        if past.judged:
            narrate(f"{past} (your history)")
        narrate(f"next: {released(held) if held else 'qcqueue'}")
        raise typer.Exit(NOTHING_TO_DO)
    made = make_plan(seen, jobs=jobs or None, owner=owner)
    if ics is not None:
        _write(ics, made, context.store.url)
    if as_json:
        print_json({"store": context.store.url, "as_of": iso(context.as_of_s()), **plan_document(made)})
    else:
        say(plan_screen(made))


def quota(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say how much GPU time was used, what is left, when it returns, and how that is known."""
    from qcqueue.app.queue_summary import see
    from qcqueue.app.settings import load_settings

    context = open_queue(store)
    seen = see(context, load_settings(store=store), ask_quota=True)
    tell_age(context)
    if as_json:
        print_json({"store": context.store.url, "as_of": iso(context.as_of_s()), **quota_document(seen)})
    else:
        say(quota_screen(seen))


def plan_screen(plan: "Plan") -> str:
    """Return what is left, a row for each job and for all, and what else is to be said of it."""
    from qcqueue.cli.table import colour, columns

    head, *body = columns([_head(plan), *_rows(plan)], right=frozenset({1, 2, 3}))
    return "\n".join([_headline(plan), "", colour(head, "bold"), *body, "", *_sentences(plan), f"next: {_next(plan)}"])


def quota_screen(seen: "QueueView") -> str:
    """Return whose limits count, what was used, is left and comes back, and the figures this rests on."""
    from qcqueue.cli.table import colour, columns

    stats, found = seen.stats, seen.stats.quota
    profile, now_s = stats.profile, stats.now_s
    nothing = "no limit is known"
    if stats.at_work:
        returns = f"held by session {stats.at_work.id}"
    elif found.returns_at_s:
        returns = f"comes back {window_said(found.returns_at_s, now_s)}"
    elif found.is_spent:
        returns = "none is left; when more comes is not known"
    else:
        returns = "can be had now, as far as is known" if stats.lends_gpus else nothing
    rows = [
        ("used", f"{duration(found.used_s)} in {duration(found.period_s)}", found.used_because),
        ("left", found.left_s.said if found.left_s else nothing, found.left_because),
        ("a GPU", returns, found.returns_because),
        ("cool-off", found.cool_off.said if found.cool_off else nothing, found.cool_off_because),
    ]
    lines = columns([(name, value, reason.basis) for name, value, reason in rows])
    said = [f"{profile.title}: profile {profile.name}, {seen.because}.", "", *lines, ""]
    said += [reason.said for _, _, reason in rows]
    if profile.note:
        said.append(profile.note)
    if profile.figures:
        head, *figures = columns([_FIGURES, *_figures(seen)])
        said += ["", colour(head, "bold"), *figures]
    return "\n".join([*said, "next: qcqueue plan"])


def _hit_rate_document(past: "HitRate") -> dict[str, int]:
    """How many forecasts could be judged by now, and how many of them came true."""
    return {"judged": past.judged, "inside": past.inside}


def plan_document(plan: "Plan") -> dict[str, Any]:
    """Return all of it for `--json`; p10, p50 and p90 are when it is done with so many per cent."""
    likely, perhaps = plan.late()
    return {
        "profile": plan.seen.stats.profile.name,
        "processor": {"name": plan.processor.name, "is_gpu": plan.processor.is_gpu},
        "jobs_per_session": plan.jobs,
        "jobs": [_job_document(plan, row) for row in plan.rows],
        "studies": [
            {"study": study, "done_by": _finish_document(plan, finish)}
            for study, finish in plan.forecast.studies.items()
        ],
        "all": {
            "left_s": plan.left_s,
            "basis": plan.known,
            "sessions": plan.forecast.sessions,
            "held_s": plan.forecast.held_s,
            "done_by": _finish_document(plan, plan.finish),
        },
        "owner": plan.owner,
        "rules": {"policy": plan.seen.stats.rules.policy, "max_running": plan.seen.stats.rules.max_running},
        "dates_from": plan.label,
        "session_lives": None if _is_endless(plan) else spread_document(plan.life.spread()),
        "sessions_seen": plan.life.seen,
        "next_gpu": None if plan.next_gpu is None else window_document(plan.next_gpu),
        "live_quota": _live_document(plan.seen.stats.live),
        "saves": {
            "two_jobs": None if plan.sessions_of_two is None else {"sessions": plan.sessions_of_two},
            "cpu": None
            if plan.beside is None
            else {
                "saved_s": plan.beside.saved_s,
                "done_by": iso(plan.now_s + plan.beside.likely_s),
                "job": plan.beside.job,
                "cpu_s": plan.beside.cpu_s,
                "said": plan.beside.said,
            },
        },
        "deadlines": {"likely_missed": [it.job.name for it in likely], "at_risk": [it.job.name for it in perhaps]},
        "obstacles": [{"job": line.name, **obstacle_document(line.obstacle)} for line in plan.lines if line.obstacle],
        "past_forecasts": _hit_rate_document(plan.past),
        "worlds": plan.forecast.worlds,
    }


def quota_document(seen: "QueueView") -> dict[str, Any]:
    """Return all of it for `--json`; what is null is not known to be limited, or when, or can be had now."""
    found, profile = seen.stats.quota, seen.stats.profile
    returns = found.returns_at_s
    return {
        "profile": {"name": profile.name, "title": profile.title, "because": seen.because, "note": profile.note},
        "used": {"seconds": found.used_s, "period_s": found.period_s, **_because(found.used_because)},
        "left": {"seconds": spread_document(found.left_s) if found.left_s else None, **_because(found.left_because)},
        "returns": {"at": None if returns is None else window_document(returns), **_because(found.returns_because)},
        "cool_off": {
            "seconds": spread_document(found.cool_off) if found.cool_off else None,
            **_because(found.cool_off_because),
        },
        "held_by": seen.stats.at_work.id if seen.stats.at_work else None,
        "live": _live_document(seen.stats.live),
        "figures": [
            {
                "name": it.name,
                "value": it.said,
                "source": it.source,
                "checked": it.checked.isoformat() if it.checked else None,
                "confidence": it.confidence,
                "basis": it.basis,
            }
            for it in profile.figures
        ],
    }


def _live_document(live: "LiveQuota | None") -> dict[str, Any] | None:
    """Return for `--json` what the provider itself says, null where it was not heard."""
    if live is None:
        return None
    at_s = live.refreshes_at_s
    return {
        "source": live.source,
        "used_s": live.used_s,
        "left_s": live.left_s,
        "allowed_s": live.allowed_s,
        "refreshes_at": None if at_s is None else iso(at_s),
    }


def window_said(window: "Quantiles", now_s: float) -> str:
    """Return when something is likely: "likely tomorrow 14:00, between today 22:00 and 30 Nov"."""
    low, likely, high = (by(at_s, now_s) for at_s in (window.p10_s, window.p50_s, window.p90_s))
    return f"likely {likely}" if low == high else f"likely {likely}, between {low} and {high}"


def window_document(window: "Quantiles") -> dict[str, str]:
    """Return moments for `--json`."""
    low, likely, high = (iso(at_s) for at_s in (window.p10_s, window.p50_s, window.p90_s))
    return {"low": low, "likely": likely, "high": high, "basis": window.basis}


def spread_document(spread: "Quantiles") -> dict[str, Any]:
    """Return some seconds for `--json`."""
    return {"low_s": spread.p10_s, "likely_s": spread.p50_s, "high_s": spread.p90_s, "basis": spread.basis}


def _write(file: Path, plan: "Plan", url: str) -> None:
    from qcqueue.app.calendar import come_back, write_calendar

    write_calendar(file, come_back(plan, queue=url))
    narrate(f"written: {file}")


def _headline(plan: "Plan") -> str:
    studies = dict.fromkeys(row.job.spec.study for row in plan.rows)
    whose = next(iter(studies)) if len(studies) == 1 else count(len(studies), "study", "studies")
    work = f"about {duration(plan.left_s)} of training left on {plan.processor.name} ({plan.known})"
    return f"{whose}: {count(len(plan.rows), 'job')}, {work}."


def _head(plan: "Plan") -> tuple[str, ...]:
    return _HEAD if not _tells_owners(plan) else (*_HEAD[:-1], "OWNER", _HEAD[-1])


def _tells_owners(plan: "Plan") -> bool:
    from qcqueue.core.owners import are_several

    return are_several(row.job.owner for row in plan.rows)


def _rows(plan: "Plan") -> Iterator[tuple[str, ...]]:
    from qcqueue.core.owners import named

    several = _tells_owners(plan)
    nobody = ("",) if several else ()
    for row in plan.rows:
        yield (
            row.job.name,
            "?" if row.left_s is None else duration(row.left_s),
            str(row.job.epochs_left),
            "?" if row.sessions is None else str(row.sessions),
            *_dates(plan, row.finish),
            *([named(row.job.owner)] if several else []),
            row.cost.said if row.cost else f"nothing is known of {row.job.spec.model}",
        )
    if plan.owner is None and len(plan.forecast.studies) > 1:
        for study, finish in plan.forecast.studies.items():
            yield (f"{study} in all", "", "", "", *_dates(plan, finish), *nobody, "")
    epochs = sum(row.job.epochs_left for row in plan.rows)
    # Beside one's own jobs those of others are trained.
    sessions = "" if plan.owner else str(plan.forecast.sessions) if plan.forecast.all else "?"
    yield ("all", duration(plan.left_s), str(epochs), sessions, *_dates(plan, plan.finish), *nobody, "")


def _dates(plan: "Plan", finish: "Finish | None") -> tuple[str, str]:
    if finish is None:
        return NOT_FORESEEN, NOT_FORESEEN
    likely, latest = (
        SOON if in_s < SOON_S else by(plan.now_s + in_s, plan.now_s) for in_s in (finish.p50_s, finish.p90_s)
    )
    return likely, latest


def _sentences(plan: "Plan") -> Iterator[str]:
    from qcqueue.app.plan import without_a_plan
    from qcqueue.planning.quota import live_said
    from qcqueue.queue.obstacles import stuck

    yield _life(plan)
    if plan.seen.stats.lends_gpus:
        yield _gpu(plan)
    if plan.seen.stats.live:
        yield f"{live_said(plan.seen.stats.live)} (live)."
    yield from _savings(plan)
    yield from _deadlines(plan)
    yield from _between_owners(plan)
    for said in stuck({line.name: line.obstacle for line in plan.lines}, plan.now_s):
        yield f"{said} (your history); the dates assume that this is mended."
    if others := [f"{number} {state}" for state, number in without_a_plan(plan).items()]:
        yield f"Not part of this: {listed(others)}."
    past = str(plan.past)
    yield f"{past[:1].upper()}{past[1:]} (your history)."
    when = "the notebook is opened whenever a GPU is to be had" if plan.seen.stats.lends_gpus else "somebody works on"
    yield f"All dates are forecasts ({plan.label}){_few(plan)} and assume that {when}."


def _between_owners(plan: "Plan") -> Iterator[str]:
    """Yield what the rules of the queue, and those of a provider, mean for the jobs of several owners."""
    from qcqueue.core.obstacles import crowd_said
    from qcqueue.core.owners import are_several
    from qcqueue.core.rules import Policy
    from qcqueue.core.states import State

    stats, crowded = plan.seen.stats, plan.seen.crowded
    for owner, running in crowded.items():
        waiting = [line for line in plan.lines if line.owner == owner and line.state is State.QUEUED]
        if waiting:
            wait = "waits" if len(waiting) == 1 else "wait"
            yield (
                f"{crowd_said(owner, running)}, as many as the queue lets an owner have: "
                f"{count(len(waiting), 'job')} {wait} for one of them to end."
            )
    if not are_several(job.owner for job in stats.ahead):
        return
    if stats.rules.policy is Policy.FAIR:
        yield "Owners take turns (policy fair)."
    if stats.profile.own_work_only:
        only = f"On {stats.profile.name} a session takes only its owner's jobs"
        yield f"{only}: the dates assume that each owner comes in turn."


def _few(plan: "Plan") -> str:
    """Say on how little the dates of a long queue rest: it is played out less often, so that nobody waits for them."""
    from qcqueue.planning.forecast import FEWEST_WORLDS

    worlds = plan.forecast.worlds
    return f" from no more than {count(worlds, 'possible course')}" if worlds <= FEWEST_WORLDS else ""


def _life(plan: "Plan") -> str:
    if _is_endless(plan):
        return f"Nothing is known to end a session ({plan.life.basis})."
    own = f", with {count(plan.life.seen, 'session')} of yours" if plan.life.seen else ""
    return f"A session lives {plan.life.spread().said} ({plan.life.basis}{own})."


def _gpu(plan: "Plan") -> str:
    stats, now_s = plan.seen.stats, plan.now_s
    if stats.at_work and plan.next_gpu:
        held = f"A GPU is held by session {stats.at_work.id} (your history)"
        return f"{held}, and the next one comes {window_said(plan.next_gpu, now_s)} ({plan.next_gpu.basis})."
    if plan.next_gpu:
        return f"A GPU comes back {window_said(plan.next_gpu, now_s)} ({plan.next_gpu.basis})."
    if stats.at_work:
        return f"A GPU is held by session {stats.at_work.id} (your history)."
    because, had = stats.quota.returns_because, "No GPU" if stats.quota.is_spent else "A GPU"
    return f"{had} can be had now: {because.said[:1].lower()}{because.said[1:].removesuffix('.')} ({because.basis})."


def _savings(plan: "Plan") -> Iterator[str]:
    now_s = plan.now_s
    if plan.sessions_of_two is not None:
        yield (
            f"With --jobs 2 it would take about {count(plan.sessions_of_two, 'session')} to open instead of "
            f"{plan.forecast.sessions} ({plan.label})."
        )
    if cpu := plan.beside:
        yield (
            f"A session without a GPU beside them could train {cpu.job} in about {_roughly(cpu.cpu_s)} ({cpu.said}): "
            f"all would likely be done by {by(now_s + cpu.likely_s, now_s)}, about {_roughly(cpu.saved_s)} earlier "
            f"({plan.label})."
        )


def _deadlines(plan: "Plan") -> Iterator[str]:
    likely, perhaps = plan.late()
    for rows, how in ((likely, "will likely miss"), (perhaps, "may miss")):
        for row in rows:
            assert row.job.spec.deadline_s is not None, "only what has a deadline can miss it"
            deadline = fixed(row.job.spec.deadline_s, plan.now_s)
            yield f"{row.job.name} {how} its deadline, {deadline} (you said)."


def _next(plan: "Plan") -> str:
    stats = plan.seen.stats
    if stats.at_work:
        return "qcqueue status --watch"
    stuck = {line.name for line in plan.lines if line.obstacle}
    if stuck.issuperset(row.job.name for row in plan.rows):
        return f"qcqueue why {plan.rows[0].job.name}"
    if stats.quota.is_spent:
        return "qcqueue quota"
    return "qcqueue plan --ics come-back.ics" if plan.next_gpu else "qcqueue work"


def _roughly(seconds: float) -> str:
    """Return a span as finely as a forecast has it."""
    from qcqueue.text.humanize import DAY_S, HOUR_S

    if seconds >= DAY_S:
        days = round(seconds / DAY_S, 1)
        return f"{days:g} {'day' if days == 1 else 'days'}"
    return f"{max(1, round(seconds / HOUR_S))} h" if seconds >= HOUR_S else duration(seconds)


def _is_endless(plan: "Plan") -> bool:
    from qcqueue.planning.windows import LONGEST_S

    return plan.life.quantile(0.9) >= LONGEST_S


def _figures(seen: "QueueView") -> Iterator[tuple[str, ...]]:
    for it in seen.stats.profile.figures:
        checked = it.checked.isoformat() if it.checked else ""
        yield (it.name.replace("_", "-"), it.said, it.basis, checked, it.confidence or "", it.source)


def _job_document(plan: "Plan", row: "JobPlan") -> dict[str, Any]:
    deadline_s = row.job.spec.deadline_s
    return {
        "name": row.job.name,
        "state": row.job.state,
        "owner": row.job.owner,
        "epochs_left": row.job.epochs_left,
        "left_s": row.left_s,
        "epoch_s": row.cost.seconds if row.cost else None,
        "basis": row.cost.basis if row.cost else None,
        "said": row.cost.said if row.cost else None,
        "sessions": row.sessions,
        "deadline": None if deadline_s is None else iso(deadline_s),
        "done_by": _finish_document(plan, row.finish),
    }


def _finish_document(plan: "Plan", finish: "Finish | None") -> dict[str, str] | None:
    if finish is None:
        return None
    shares = {"p10": finish.p10_s, "p50": finish.p50_s, "p90": finish.p90_s}
    return {name: iso(plan.now_s + in_s) for name, in_s in shares.items()}


def _because(reason: "Reason") -> dict[str, str]:
    return {"basis": reason.basis, "because": reason.said}
