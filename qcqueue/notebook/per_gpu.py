"""The worker cell on a machine with several GPUs: a session on each, their news in one block, one end.

The sessions are processes of `app.per_gpu`, which have the machine's sign-in in their environment and their own screens
nowhere; here a person reads what they say and what to do next. No machine is given back from here.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from qcqueue.app.context import open_context
from qcqueue.app.per_gpu import work_per_gpu
from qcqueue.app.profile import provider_here
from qcqueue.app.settings import Settings, named_store
from qcqueue.app.work import NOBODY_READS, flags_of
from qcqueue.clock import RandomIds
from qcqueue.core.outcomes import SessionEnd, worst_exit_code
from qcqueue.core.states import State
from qcqueue.errors import NOTHING_CAN_BE_SAVED, StoreError
from qcqueue.notebook.block import AGAIN, ClosingFacts, closing
from qcqueue.notebook.screen import Screen
from qcqueue.text.canonical_json import parse_json
from qcqueue.worker.budget import Limits
from qcqueue.worker.machine import this_machine


def visit_each(gpus: Sequence[str], settings: Settings, limits: Limits, screen: Screen, *, now: bool) -> str:
    """Run a session on each GPU to its end, say what is left, and return how they ended, in words.

    Raises: SettingInvalid: no queue is named.
    """
    store = named_store(settings).url
    answers = dict[str, str]()

    def hear(gpu: str, line: str, is_answer: bool) -> None:
        if is_answer:
            answers[gpu] = answers.get(gpu, "") + line
            return
        with suppress(*NOBODY_READS):
            screen.say(f"gpu {gpu}: {line}")

    with suppress(OSError):  # which the sessions will say
        screen.begin(store, this_machine(settings.cache, RandomIds()))
    flags = [*flags_of(limits, now=now), "--store", store, "--json"]
    ended = work_per_gpu(gpus, flags, settings, hear=hear, show=screen.refresh)
    endings = {it.gpu: _ending(answers.get(it.gpu, "")) for it in ended}
    has_trained = {gpu for gpu, answer in answers.items() if _said_by(answer).get("has_trained")}
    worst = worst_exit_code(it.exit_code for it in ended)
    lines = [f"gpu {it.gpu}: {it.why or _how(endings[it.gpu], it.exit_code, it.gpu in has_trained)}" for it in ended]
    told = next((it for it in endings.values() if it and it.exit_code == worst), None)
    if told:
        states = _states(settings)
        idle = provider_here().idle_help
        left = None if states is None else ClosingFacts(states=states, reasons=(), gpu_help=None, idle_help=idle)
        lines += closing(told, left, has_trained=bool(has_trained))[1:]
    else:  # an error, which has said already what to do
        lines.append(f"next: {AGAIN}")
    screen.close(*lines)
    return str(told or f"exit code {worst}")


def _ending(answer: str) -> SessionEnd | None:
    """Return how a session ended by its answer, None for one that gave none."""
    with suppress(KeyError):
        return SessionEnd[str(_said_by(answer)["ending"]).upper()]
    return None


def _said_by(answer: str) -> dict[str, Any]:
    with suppress(ValueError):
        said = parse_json(answer)
        return said if isinstance(said, dict) else {}
    return {}


def _how(ending: SessionEnd | None, exit_code: int, has_trained: bool) -> str:
    return ending.notebook(has_trained=has_trained) if ending else f"it ended by an error, with exit code {exit_code}"


def _states(settings: Settings) -> list[State] | None:
    from qcqueue.queue.job_lines import job_lines

    with suppress(StoreError, *NOTHING_CAN_BE_SAVED), open_context(settings).read() as tx:
        return [line.state for line in job_lines(tx)]
    return None
