"""`work`: one session on this machine, wired and driven on the real clock."""

from collections.abc import Callable

from qcqueue.app.workplace import Workplace
from qcqueue.core.lease import LeaseRules
from qcqueue.errors import ExtraMissing, SettingInvalid
from qcqueue.worker.machine import can_train, out_of_memory_kills, this_machine
from qcqueue.worker.presence import Presence
from qcqueue.worker.process import TrainerProcess, check_weights
from qcqueue.worker.session import Limits, Session
from qcqueue.worker.tools import Tools


def new_session(workplace: Workplace, limits: Limits, *, narrate: Callable[[str], None]) -> Session:
    """Wire a session. Raises: ExtraMissing: this machine has no TensorFlow. SettingInvalid: no usable cache."""
    if not can_train():
        raise ExtraMissing("this machine has no TensorFlow to train with", hint='pip install "qcqueue[train]"')
    with workplace.read():  # a queue that cannot be read is refused before this machine leaves a trace of itself
        pass
    try:
        machine = this_machine(workplace.cache, workplace.ids)
    except OSError as exc:
        raise SettingInvalid(
            f"the cache {workplace.cache} cannot be used: {exc.strerror}", hint="set QCQUEUE_CACHE to a folder"
        ) from exc
    tools = Tools(
        database=workplace.database,
        store=workplace.store,
        trainer=TrainerProcess(),
        clock=workplace.clock,
        presence=Presence(workplace.cache / "sessions"),
        machine=machine,
        cache=workplace.cache,
        lease=LeaseRules(),
        check_weights=check_weights,
        memory_kills=out_of_memory_kills,
        narrate=narrate,
    )
    return Session(workplace.ids.new(), tools, limits)


def drive(workplace: Workplace, session: Session, *, show: Callable[[Session], None]) -> None:
    """Run a session to its end, showing it after every step."""
    while (delay_s := session.step()) is not None:
        show(session)
        workplace.clock.sleep(delay_s)
