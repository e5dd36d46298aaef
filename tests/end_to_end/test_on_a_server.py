"""A lab whose queue is on a PostgreSQL server beside a shared disk: machines come, vanish and lose nothing."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from qcqueue.clock import fresh_seed, seeded
from qcqueue.core.outcomes import Outcome
from qcqueue.database.schema import attempts
from qcqueue.database.schema import jobs as jobs_table
from qcqueue.queue.job_detail import job_detail
from tests.end_to_end.machines import STUDY, TOY, TOY_JOB, command, job, wait_until_training, working
from tests.support.servers.labs import ENDS, Campaign, Lab, a_lab, environment_in
from tests.support.servers.on_postgres import needs_postgres
from tests.support.servers.postgres import PASSWORD, Server, server, stopped
from tests.support.servers.running import bucket_server, shared_bucket
from tests.support.servers.wire import wire_to

pytestmark = [pytest.mark.servers, pytest.mark.racing]

OWNERS = ("ada", "bob", "cyd", "dan")
SLOW = "step_s=0.1"
"""It is not done before something happens to it."""


@pytest.fixture
def lab_server(monkeypatch: pytest.MonkeyPatch) -> Server:
    needs_postgres()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return server()


def test_a_session_trains_on_while_its_server_is_away_and_saves_when_it_is_back(
    tmp_path: Path, lab_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = a_lab(tmp_path, lab_server, STUDY.replace("epochs = 3", "epochs = 6") + TOY)
    machine = lab.machine("machine")
    with working(machine, environment=environment_in(machine, trainer=SLOW)) as session:
        wait_until_training(machine, epoch=2, step=1)
        with stopped(lab_server):
            wait_until_training(machine, epoch=4, step=1)
            looked = command(machine, "status", environment=environment_in(machine))
            assert (looked.returncode, "cannot be reached" in looked.stderr) == (4, True), looked.stderr
        assert session.ended() == 0, session.said
    shown = job(machine, TOY_JOB)
    assert (shown["state"], shown["epochs_done"], shown["attempts"]) == ("done", 6, 1)
    assert PASSWORD not in session.said + looked.stderr


def test_a_job_on_a_server_is_of_whoever_enqueues_it(tmp_path: Path, lab_server: Server) -> None:
    lab = a_lab(tmp_path, lab_server)
    lab.enqueue(STUDY + TOY, owner="ada")
    assert [line.owner for line in lab.lines()] == ["ada"]


def test_a_session_that_was_killed_is_followed_by_one_on_another_machine(tmp_path: Path, lab_server: Server) -> None:
    lab = a_lab(tmp_path, lab_server, STUDY.replace("epochs = 3", "epochs = 8") + TOY)
    first, second = lab.machine("first"), lab.machine("second")
    with working(first, environment=environment_in(first, trainer=SLOW)) as session:
        wait_until_training(first, epoch=3, step=1)
        os.killpg(session.process.pid, signal.SIGKILL)
    ended = command(first, "work", "--max-epochs", "1", environment=environment_in(first))
    assert ended.returncode == 20, ended.stderr
    ended = command(second, "work", environment=environment_in(second))
    assert ended.returncode == 0, ended.stderr
    shown = job(second, TOY_JOB)
    assert (shown["state"], shown["epochs_done"]) == ("done", 8)
    assert [segment["outcome"] for segment in shown["segments"]] == ["interrupted", "stopped", "finished"]


def test_a_session_whose_answers_are_lost_on_the_wire_saves_each_epoch_once(tmp_path: Path, lab_server: Server) -> None:
    lab = a_lab(tmp_path, lab_server, STUDY.replace("epochs = 3", "epochs = 6") + TOY)
    machine = lab.machine("machine")
    with wire_to(lab_server.port) as wire:
        there = lab.url.replace(f":{lab_server.port}/", f":{wire.port}/")
        environment = {**environment_in(machine, trainer=SLOW), "QCQUEUE_DATABASE": there}
        with working(machine, environment=environment) as session:
            wait_until_training(machine, epoch=2, step=1)
            wire.cuts = 4
            assert session.ended() == 0, session.said
        assert wire.lost == 4
    with lab.queue.read() as tx:
        detail = job_detail(tx, TOY_JOB)
    assert [line.metrics.epoch for line in detail.epochs] == [1, 2, 3, 4, 5, 6]
    assert [line.outcome for line in detail.attempts] == [Outcome.FINISHED]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a lab keeps its files: a prefix in a bucket, which all its processes can reach."""
    for name, value in bucket_server("s3").environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{shared_bucket('s3')}/lab-{fresh_seed():x}"


@pytest.mark.long
@pytest.mark.parametrize(("machines", "jobs", "kills"), [(16, 200, 50)])
def test_many_sessions_that_are_killed_lose_no_job_double_no_epoch_and_give_every_owner_a_turn(
    tmp_path: Path, lab_server: Server, bucket: str, machines: int, jobs: int, kills: int
) -> None:
    signal.alarm(3600)  # hundreds of trainers on however many processors there are
    seed = fresh_seed()
    print(f"seed {seed}")
    lab = a_lab(tmp_path, lab_server, store=bucket)
    laptop = lab.machine("laptop")
    settled = command(laptop, "store", "set", "policy", "fair", environment=environment_in(laptop))
    assert settled.returncode == 0, settled.stderr
    for owner in OWNERS:
        lab.enqueue(_study_of(owner, jobs // len(OWNERS)), owner=owner)
    campaign = Campaign(lab=lab, machines=machines, kills=kills, rng=seeded(seed))
    campaign.run(within_s=3000, trainer="step_s=0.02")

    assert campaign.killed == kills
    assert set(campaign.ends) <= {*ENDS}, Counter(campaign.ends)
    lines = lab.lines()
    assert len(lines) == jobs
    with lab.queue.read() as tx:
        details = [job_detail(tx, line.name) for line in lines]
    for detail in details:
        assert [line.metrics.epoch for line in detail.official_epochs()] == [1, 2, 3]
        numbers = [line.number for line in detail.attempts]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [line.outcome for line in detail.attempts].count(Outcome.FINISHED) == 1
    assert sum(detail.line.interruptions for detail in details) > 0, "some sessions were killed while they trained"
    _see_turns(lab, jobs // len(OWNERS))
    interrupted = [detail.line.name for detail in details if detail.line.interruptions]
    _compare_with_undisturbed(tmp_path, lab_server, lab.machine("onlooker").folder, interrupted[:3], jobs)


def _study_of(owner: str, jobs: int) -> str:
    study = STUDY.replace('study = "small"', f'study = "{owner}"')
    return study + "".join(f'{TOY}name = "toy-{number}"\nseed = {number}\n' for number in range(1, jobs + 1))


def _see_turns(lab: Lab, jobs_each: int) -> None:
    """See that owners took turns within one job, as long as each of them had one that nobody had taken."""
    with lab.queue.read() as tx:
        asked = select(jobs_table.c.owner, jobs_table.c.name).join_from(attempts, jobs_table).order_by(attempts.c.id)
        taken = [(row.owner, row.name) for row in tx.execute(asked)]
    begun: dict[str, set[str]] = {owner: set() for owner in OWNERS}
    turns = Counter(dict.fromkeys(OWNERS, 0))
    for owner, name in taken:
        turns[owner] += 1
        begun[owner].add(name)
        if len(begun[owner]) == jobs_each:
            break
        assert max(turns.values()) - min(turns.values()) <= 1, (turns, taken)
    assert sum(turns.values()) > len(OWNERS) * jobs_each // 2


def _compare_with_undisturbed(tmp_path: Path, lab_server: Server, folder: Path, names: list[str], jobs: int) -> None:
    quiet = a_lab(tmp_path / "quiet", lab_server)
    for owner in OWNERS:
        quiet.enqueue(_study_of(owner, jobs // len(OWNERS)))
    calm, busy = quiet.machine("calm"), type(quiet.machine("calm"))(folder=folder)
    for name in names:
        moved = command(calm, "move", name, "first", environment=environment_in(calm))
        assert moved.returncode == 0, moved.stderr
    done = command(calm, "work", "--jobs", str(len(names)), environment=environment_in(calm))
    assert done.returncode == 0, done.stderr
    for name in names:
        assert job(calm, name)["result"] == job(busy, name)["result"]
