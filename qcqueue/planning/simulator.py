"""One campaign: jobs, a row of windows and a strategy go in; when each job is done and what it cost comes out.

Time goes from one save to the next, as in a real session, whose policy and cadence decide here too: a session starts,
trains from save to save, hands a finished job over once its last save is in the store, and dies with what was not yet
there. Always true: nothing that arrived in the store is lost again, unless the strategy keeps nothing, and the seconds
trained for a job that is done are exactly its epochs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from qcqueue.planning.policies import ASSUMED_SHARE, ChoiceContext, Job
from qcqueue.planning.sim_run import CLOSE, Costs, Habit, Saves, SimRun, Strategy, Work
from qcqueue.planning.stopping_rule import Unit, judge
from qcqueue.planning.survival import Life
from qcqueue.planning.windows import Window

# Whoever is not done by then never will be, or not in time for anybody: a year of daily sessions and more.
MOST_SESSIONS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What became of it. done_s: when each job that was finished was, since the campaign began, in that order.

    ended_s: when the last of its sessions was given back or taken away. saved_s: training that is in the store;
    lost_s: training that never got there, and lost_epochs the same in epochs. switches: jobs a session took after its
    first, or went back to.
    """

    done_s: dict[str, float]
    is_done: bool
    ended_s: float
    sessions: int
    held_s: float
    saved_s: float
    lost_s: float
    lost_epochs: float
    switches: int


def play(
    works: Sequence[Work],
    windows: Iterator[Window],
    strategy: Strategy,
    costs: Costs,
    *,
    mean_session_s: float,
    life: Life | None = None,
    share: float = ASSUMED_SHARE,
    comes_back: bool = False,
) -> Campaign:
    """Play until everything is done, or MOST_SESSIONS were used.

    mean_session_s, life: what is known of sessions before they come, for the cadence and for what still fits into one.
    share: which part of the calendar they are, for deadlines. comes_back: a session that has left by itself is followed
    at once by another on what is left of its window; otherwise that is given up.
    """
    prepared = Prepared(works, strategy, costs, mean_session_s=mean_session_s, life=life, share=share)
    return prepared.play(windows, comes_back=comes_back)


class Prepared:
    """A campaign that can be played on one row of windows after the other; what they share is worked out once."""

    def __init__(
        self,
        works: Sequence[Work],
        strategy: Strategy,
        costs: Costs,
        *,
        mean_session_s: float,
        life: Life | None = None,
        share: float = ASSUMED_SHARE,
    ) -> None:
        self._strategy, self._costs, self._life, self._share = strategy, costs, life, share
        self._habits = {work.name: Habit(work, strategy, costs, mean_session_s) for work in works if work.epochs}
        self._jobs = tuple(SimRun(habit).seen() for habit in self._habits.values())

    def play(self, windows: Iterator[Window], *, comes_back: bool = False) -> Campaign:
        """Play it once, as `play` does."""
        simulator = _Simulator(self._habits, self._jobs, self._strategy, self._costs, self._life, self._share)
        for window in windows:
            rest: Window | None = window
            while rest and simulator.waits_for_more:
                used_s = simulator.live(rest)
                rest = rest.after(used_s) if comes_back and 0 < used_s < rest.held_s else None
            if not simulator.waits_for_more:
                break
        return simulator.result()


class _Ending(Enum):
    """How a session's work on a job came to its end."""

    DONE = auto()
    TURN = auto()
    LEFT = auto()
    TAKEN = auto()


class _Save(NamedTuple):
    """A save to come: how much of the job is trained then, when it is copied and when it is in the store."""

    at_s: float
    copied_s: float
    arrives_s: float
    is_last: bool


class _Session:
    """One session of a campaign: what it knows of its own end, and how old it is. All its times count from its begin.

    A script knows nothing of an end. Who is promised one makes the last save early enough to arrive before it, wherever
    in an epoch that is; who is not goes by what is known of others.
    """

    def __init__(self, window: Window, strategy: Strategy, life: Life | None) -> None:
        knows = strategy.saves is Saves.CADENCE
        self.window = window
        self.promised_s = window.promised_s if knows else None
        self.life = life if knows and window.promised_s is None else None
        self.now_s = 0.0
        self.jobs = 0
        self._wire_free_s = 0.0

    @property
    def age_s(self) -> float:
        """How old the machine is."""
        return self.window.age_s + self.now_s

    @property
    def has_died(self) -> bool:
        return self.now_s >= self.window.held_s

    def context(self, share: float) -> ChoiceContext:
        """Return the present as a policy sees it; without a promise, half of all sessions of this age live as long."""
        left_s = None
        if self.promised_s is not None:
            left_s = self.promised_s - self.now_s
        elif self.life and self.jobs:
            left_s = self.life.quantile(0.5, self.age_s)
        now_s = self.window.begins_s + self.now_s
        return ChoiceContext(now_s=now_s, left_s=left_s, is_first=not self.jobs, share=share)

    def next_save(self, run: SimRun, stop_at_s: float) -> _Save | None:
        """Return the next save of a run that stops at stop_at_s at the latest; None for leaving without one."""
        at_s, is_last = min(run.next_save_s(run.safe_s), stop_at_s), False
        if self.promised_s is not None:
            last_at_s = run.safe_s + self.promised_s - self.now_s - run.stall_s - run.lag_s
            if last_at_s < at_s:
                at_s, is_last = last_at_s, True
        copied_s = self.now_s + at_s - run.safe_s + run.stall_s
        arrives_s = max(copied_s, self._wire_free_s) + run.lag_s
        save = _Save(at_s, copied_s, arrives_s, is_last)
        if is_last:
            is_in_time = self.promised_s is not None and arrives_s <= self.promised_s + CLOSE
            return save if is_in_time and at_s > run.safe_s else None
        return None if self.life and self._is_doomed(run, save, self.life) else save

    def last_of_many(self, run: SimRun, stop_at_s: float) -> _Save | None:
        """Return the last of several saves ahead that will all be made and arrive; None where there is no such row.

        It only saves the time to go from each to the next. Where a session of this age lives through all of them in
        half of all cases, none of them is doomed.
        """
        every_s, first_at_s = run.every_s, run.next_save_s(run.safe_s)
        first_copied_s = self.now_s + first_at_s - run.safe_s + run.stall_s
        if every_s is None or run.lag_s > every_s + run.stall_s or self._wire_free_s > first_copied_s:
            return None
        end_s = self.window.held_s if self.promised_s is None else min(self.promised_s, self.window.held_s)
        if self.life:
            end_s = min(end_s, self.now_s + self.life.quantile(0.5, self.age_s))
        more = min(
            (end_s - run.lag_s - first_copied_s) // (every_s + run.stall_s),
            # The last one before the end of the work, or of a turn, is not like the others.
            (stop_at_s - first_at_s - CLOSE) // every_s,
        )
        if more < 1:
            return None
        at_s, copied_s = first_at_s + more * every_s, first_copied_s + more * (every_s + run.stall_s)
        return _Save(at_s, copied_s, copied_s + run.lag_s, is_last=False)

    def go_on_after(self, save: _Save) -> None:
        self.now_s, self._wire_free_s = save.copied_s, save.arrives_s

    def wait_for_the_store(self) -> None:
        self.now_s = max(self.now_s, self._wire_free_s)

    def die(self) -> float:
        """Come to the end; return the seconds since the last save that arrived."""
        since_s = max(0.0, self.window.held_s - self.now_s)
        self.now_s = self.window.held_s
        return since_s

    def _is_doomed(self, run: SimRun, save: _Save, life: Life) -> bool:
        safe_in_s = save.arrives_s - self.now_s
        if life.chance(self.age_s, safe_in_s) >= 0.5:  # then it is never doomed, and this is the usual case
            return False
        unit = Unit(train_s=save.at_s - run.safe_s, stall_s=run.stall_s, lag_s=save.arrives_s - save.copied_s)
        return not judge(unit, life, age_s=self.age_s, has_saved=self._wire_free_s > 0).is_worth_it


class _Simulator:
    """A campaign in play: the line of the jobs that wait, and the sums of what it cost so far."""

    def __init__(
        self,
        habits: Mapping[str, Habit],
        jobs: Sequence[Job],
        strategy: Strategy,
        costs: Costs,
        life: Life | None,
        share: float,
    ) -> None:
        self._habits, self._line = habits, strategy.line(jobs)
        self._strategy, self._costs, self._life, self._share = strategy, costs, life, share
        self._runs: dict[str, SimRun] = {}
        self._done_s: dict[str, float] = {}
        self._ended_s = self._held_s = self._saved_s = self._lost_s = self._lost_epochs = 0.0
        self._sessions = self._switches = 0

    @property
    def waits_for_more(self) -> bool:
        """Whether another session is wanted."""
        return len(self._line) > 0 and self._sessions < MOST_SESSIONS

    def result(self) -> Campaign:
        return Campaign(
            done_s=self._done_s,
            is_done=not self._line,
            ended_s=self._ended_s,
            sessions=self._sessions,
            held_s=self._held_s,
            saved_s=self._saved_s,
            lost_s=self._lost_s,
            lost_epochs=self._lost_epochs,
            switches=self._switches,
        )

    def live(self, window: Window) -> float:
        """Live one session: choose and train until it is taken away, or until there is nothing to do that fits.

        Returns how long it was held.
        """
        session = _Session(window, self._strategy, self._life)
        worked_on: list[SimRun] = []
        ending = _Ending.DONE
        while ending in (_Ending.DONE, _Ending.TURN) and self._may_take_more(session, ending):
            name = self._line.first(session.context(self._share))
            if name is None:
                break
            run = self._run(name)
            if not worked_on or run is not worked_on[-1]:
                session.now_s += self._costs.switch_s if session.jobs else self._costs.start_s
                self._switches += session.jobs > 0
                session.jobs += 1
                worked_on.append(run)
            ending = self._train(run, session)
        self._sessions += 1
        self._held_s += session.now_s
        self._ended_s = window.begins_s + session.now_s
        self._line.session_over({run.work.name for run in worked_on})
        return session.now_s

    def _run(self, name: str) -> SimRun:
        if name not in self._runs:
            self._runs[name] = SimRun(self._habits[name])
        return self._runs[name]

    def _may_take_more(self, session: _Session, ending: _Ending) -> bool:
        return ending is _Ending.TURN or self._strategy.jobs is None or session.jobs < self._strategy.jobs

    def _train(self, run: SimRun, session: _Session) -> _Ending:
        """Train one job from save to save until it is done, its turn is over, or the session."""
        stop_at_s = run.epoch_ends_s(run.safe_s) if self._strategy.each_epoch else run.work.left_s
        ending = _Ending.TAKEN if session.has_died else None
        while ending is None:
            save = session.last_of_many(run, stop_at_s) or session.next_save(run, stop_at_s)
            if save is None:
                ending = _Ending.LEFT
            elif save.arrives_s > session.window.held_s + CLOSE:
                ending = _Ending.TAKEN
            else:
                self._saved_s += save.at_s - run.safe_s
                run.safe_s = save.at_s
                session.go_on_after(save)
                ending = _after(save, run, stop_at_s)
        if ending is _Ending.TAKEN:
            lost_s = session.die()
            self._lost_s += lost_s
            self._lost_epochs += lost_s / run.work.epoch_s
        else:
            session.wait_for_the_store()
        if ending is _Ending.DONE:
            self._done_s[run.work.name] = session.window.begins_s + session.now_s
            self._line.remove(run.work.name)
        else:
            self._line.put(run.seen(self._line.waits(run.work.name)))
        return ending


def _after(save: _Save, run: SimRun, stop_at_s: float) -> _Ending | None:
    if run.safe_s >= run.work.left_s:
        return _Ending.DONE
    if save.is_last:
        return _Ending.LEFT
    return _Ending.TURN if run.safe_s >= stop_at_s else None
