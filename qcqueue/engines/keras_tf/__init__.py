"""Keras models under TensorFlow: the engine, which imports neither before it is asked to."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from qcqueue.catalog.models import ImageNetFile
from qcqueue.clock import Clock
from qcqueue.engines import loop
from qcqueue.engines.base import Assignment, Sink


class KerasTf:
    """Implements `base.Engine`."""

    def load(self) -> None:
        from qcqueue.engines.keras_tf.loading import load_libraries

        load_libraries()
        import qcqueue.engines.keras_tf.program  # noqa: F401

    def pretrained(self, file: ImageNetFile, *, given: Path | None, may_download: bool, clock: Clock) -> Path | None:
        from qcqueue.engines.keras_tf.pretrained import have, is_here

        return have(file, clock=clock, given=given) if may_download else is_here(file)

    def run(self, assignment: Assignment, sink: Sink, clock: Clock) -> Iterator[None]:
        """Beside what every engine raises: OutOfMemory, DeterminismRefused, DriverFailed, DiskFull."""
        from qcqueue.engines.keras_tf.errors import translated
        from qcqueue.engines.keras_tf.measuring import keep_programs, settled_step
        from qcqueue.engines.keras_tf.program import build_program

        with translated():
            step = yield from settled_step(assignment, sink, clock)
            if step is None:  # asked to stop before anything began
                return
            assignment = replace(assignment, step=step)
            keep_programs(assignment)
            yield from loop.run(
                assignment,
                lambda data: build_program(assignment, data),
                sink,
                clock,
                compare=partial(_in_two_processes, assignment),
            )


def _in_two_processes(assignment: Assignment) -> str:
    """Return what differs between two processes that build a model of somebody's own; "" for nothing.

    On the CPU: this process holds the GPU's memory, and what is looked for is no matter of a device.
    """
    from qcqueue.engines.keras_tf.two_processes import difference

    if assignment.code_path is None:
        return ""
    return difference(replace(assignment, spec=replace(assignment.spec, device="cpu")))


ENGINE = KerasTf()
