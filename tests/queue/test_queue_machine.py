"""The queue against a model of it: any sequence of claims, commits, losses and commands ends the same in both.

The model is a few dictionaries. After every step the real queue must show what the model shows, and the invariants
of the design hold: one live attempt a job, numbers that rise, official epochs without a gap, nothing lost.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import Event, State, next_state
from qcqueue.errors import IllegalTransition, LeaseLost
from qcqueue.queue.attempts import fail, finish, interrupt, stop
from qcqueue.queue.controls import EVENTS, Control, move
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.values import Checkpoint, Claim
from tests.queue.desk import PREDICTIONS, Desk, epoch_done, result, within_epoch

JOBS = ("a", "b", "c")


@dataclass
class Model:
    """What a job should be. live is the number of the attempt that holds it, losses those of its official epochs."""

    state: State = State.QUEUED
    outcomes: list[Outcome | None] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def live(self) -> int | None:
        return len(self.outcomes) if self.outcomes and self.outcomes[-1] is None else None

    def end(self, outcome: Outcome, event: Event) -> None:
        self.outcomes[-1] = outcome
        self.happen(event)

    def happen(self, event: Event) -> None:
        state = next_state(self.state, event)
        assert state is not None
        self.state = state


class QueueMachine(RuleBasedStateMachine):
    """Sessions keep every claim they ever had, so most of their writes come from lost attempts."""

    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(self.folder)
        self.order: list[str] = []
        self.models: dict[str, Model] = {}
        self.ends: dict[tuple[str, int], str] = {}

    def teardown(self) -> None:
        self.desk.database.close()
        shutil.rmtree(self.folder)

    @precondition(lambda self: len(self.order) < len(JOBS))
    @rule()
    def enqueue(self) -> None:
        name = JOBS[len(self.models)]
        self.desk.enqueue(name)
        self.order.append(name)
        self.models[name] = Model()

    @rule(target=claims, session=st.sampled_from(["s1", "s2"]), bury=st.booleans(), damaged=st.integers(0, 2))
    def claim(self, session: str, bury: bool, damaged: int) -> Claim | MultipleResults[Claim]:
        """Claim as a session does, finding the newest states damaged, and take the run up where that is possible."""
        gone: dict[tuple[str, int], str] = {}
        for name, model in self.models.items():
            if bury and model.live is not None:
                gone[f"study/{name}", model.live] = "gone"
                model.end(Outcome.INTERRUPTED, Event.INTERRUPTED)
        expected = next((name for name in self.order if self.models[name].state is State.QUEUED), None)
        held = self.desk.claim(session, gone=gone)
        assert (held.job_name if held else None) == (f"study/{expected}" if expected else None)
        if held is None:
            return multiple()
        model = self.model_of(held)
        model.happen(Event.CLAIMED)
        model.outcomes.append(None)
        assert held.attempt == len(model.outcomes)
        if held.checkpoints:
            assert [row.val_loss for row in held.checkpoints[0].record.history] == model.losses
        self.take_up(held, damaged)
        return held

    def take_up(self, held: Claim, damaged: int) -> None:
        bad = {it.state.head for it in held.checkpoints[:damaged]}
        passed: list[Checkpoint] = []
        chosen: Checkpoint | None = None
        for checkpoint in held.checkpoints:
            best_is_there = checkpoint.record.best_epoch is None or checkpoint.best
            if best_is_there and not bad & {checkpoint.state.head, *checkpoint.best}:
                chosen = checkpoint
                break
            passed.append(checkpoint)
        if damaged == 1 and len(held.checkpoints) > 1:
            assert chosen is held.checkpoints[1], "one damaged state must never cost more than the one before it"
        self.desk.resume(held, chosen, damaged=[(it, "rot") for it in passed])
        del self.model_of(held).losses[chosen.record.epochs_done if chosen else 0 :]

    @rule(held=claims, val_losses=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=4))
    def finish_epochs(self, held: Claim, val_losses: list[float]) -> None:
        model = self.model_of(held)
        for val_loss in val_losses:
            losses = (*model.losses, val_loss)
            if self.write(held, partial(self.desk.commit, held, epoch_done(held.job_name, losses))):
                model.losses.append(val_loss)

    @rule(held=claims, steps_done=st.integers(1, 9))
    def save_within_an_epoch(self, held: Claim, steps_done: int) -> None:
        losses = tuple(self.model_of(held).losses)
        self.write(held, lambda: self.desk.commit(held, within_epoch(held.job_name, losses, steps_done)))

    @rule(held=consumes(claims))
    def finish(self, held: Claim) -> None:
        if self.write(held, lambda: self.desk.do(finish, held, result(), PREDICTIONS), end="finish"):
            self.model_of(held).end(Outcome.FINISHED, Event.FINISHED)

    @rule(held=claims)
    def stop(self, held: Claim) -> None:
        if self.write(held, lambda: self.desk.do(stop, held, why="limit"), end="stop"):
            self.model_of(held).end(Outcome.STOPPED, Event.STOPPED)

    @rule(held=claims)
    def interrupt(self, held: Claim) -> None:
        if self.write(held, lambda: self.desk.do(interrupt, held, why="vanished"), end="interrupt"):
            self.model_of(held).end(Outcome.INTERRUPTED, Event.INTERRUPTED)

    @rule(held=claims, cause=st.sampled_from(Cause))
    def fail(self, held: Claim, cause: Cause) -> None:
        if self.write(held, lambda: self.desk.do(fail, held, cause, "what happened"), end="fail"):
            self.model_of(held).end(Outcome.FAILED, Event.FAILED)

    @precondition(lambda self: self.models)
    @rule(data=st.data(), action=st.sampled_from(["hold", "release", "cancel", "retry"]))
    def control(self, data: st.DataObject, action: Control) -> None:
        name = data.draw(st.sampled_from(self.order))
        model, event = self.models[name], EVENTS[action]
        if next_state(model.state, event) is None:
            self.refused(IllegalTransition, lambda: self.desk.control(action, name))
            return
        self.desk.control(action, name)
        if model.live is not None:
            model.outcomes[-1] = Outcome.STOPPED
        model.happen(event)

    @precondition(lambda self: len(self.order) > 1)
    @rule(data=st.data(), where=st.sampled_from(["first", "last", "before"]))
    def move(self, data: st.DataObject, where: str) -> None:
        name = data.draw(st.sampled_from(self.order))
        self.order.remove(name)
        other = data.draw(st.sampled_from(self.order)) if where == "before" else None
        self.desk.do(move, name, where, other, who="user")
        index = {"first": 0, "last": len(self.order), "before": self.order.index(other) if other else 0}[where]
        self.order.insert(index, name)

    def model_of(self, held: Claim) -> Model:
        return self.models[held.job_name.removeprefix("study/")]

    def write(self, held: Claim, writing: Callable[[], object], *, end: str = "") -> bool:
        """Run a write of this claim; return whether it was accepted, which only the live attempt's may be.

        The end that an attempt has written may be written again, and changes nothing.
        """
        attempt = (held.job_name, held.attempt)
        if self.model_of(held).live == held.attempt:
            writing()
            self.ends[attempt] = end
            return True
        if end and self.ends.get(attempt) == end:
            before = self.desk.digest()
            writing()
            assert self.desk.digest() == before
        else:
            self.refused(LeaseLost, writing)
        return False

    def refused(self, error: type[Exception], writing: Callable[[], object]) -> None:
        before = self.desk.digest()
        try:
            writing()
        except error:
            assert self.desk.digest() == before
        else:
            raise AssertionError(f"{error.__name__} was expected")

    @invariant()
    def the_queue_shows_what_the_model_shows(self) -> None:
        lines = {line.name.removeprefix("study/"): line for line in self.desk.ask(job_lines)}
        assert list(lines) == self.order
        for name, line in lines.items():
            model = self.models[name]
            assert line.state is model.state
            assert line.epochs_done == len(model.losses)
            assert line.attempts == len(model.outcomes)
            assert line.interruptions == model.outcomes.count(Outcome.INTERRUPTED)
            assert (line.session is not None) == (model.live is not None) == (model.state is State.RUNNING)
            assert (line.failure_cause is not None) == (model.state is State.FAILED)

    @invariant()
    def epochs_have_no_gap_attempts_only_rise_and_the_last_epoch_is_saved(self) -> None:
        for name, model in self.models.items():
            detail = self.desk.detail(name)
            official = [line.metrics for line in detail.official_epochs()]
            assert [row.epoch for row in official] == list(range(1, len(model.losses) + 1))
            assert [row.val_loss for row in official] == model.losses
            assert [line.number for line in detail.attempts] == list(range(1, len(model.outcomes) + 1))
            assert [line.outcome for line in detail.attempts] == model.outcomes
            kept = [it for it in detail.checkpoints if it.status == "kept"]
            assert max((it.epochs_done for it in kept), default=0) == len(model.losses)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=8, stateful_step_count=30, deadline=None)
