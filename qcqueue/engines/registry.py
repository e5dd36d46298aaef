"""The table of engines: what each is called and where it stands, imported on use.

A new engine is one file and one row here, and is tested by standing in the table. Which engine a job needs is said by
the row of its model in `catalog.models`. Always true: to know an engine's name imports none.
"""

from collections.abc import Mapping
from importlib import import_module

from qcqueue.catalog.models import engine_name
from qcqueue.clock import Clock
from qcqueue.core.spec import JobSpec
from qcqueue.engines.base import Assignment, Engine, Sink

ENGINES: Mapping[str, str] = {
    "keras_tf": "qcqueue.engines.keras_tf:ENGINE",
    "toy": "qcqueue.engines.toy:ENGINE",
}


def engine_named(name: str) -> Engine:
    """Return a member of the table. Raises: KeyError: there is none of that name."""
    module, _, attribute = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)
    return engine


def engine_of(spec: JobSpec) -> Engine:
    """Return the engine that trains a job."""
    return engine_named(engine_name(spec.model))


def train(assignment: Assignment, sink: Sink, clock: Clock) -> None:
    """Carry out `assignment` with the engine of its job, to its end or to a stop. Raises as `Engine.run`."""
    for _ in engine_of(assignment.spec).run(assignment, sink, clock):
        pass
