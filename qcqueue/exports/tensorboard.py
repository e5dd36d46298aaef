"""Event files for TensorBoard, written without TensorFlow: the only home of the library `tensorboard`.

Each run has a folder and in it one file, whose name and bytes follow from the run alone: a second export changes
nothing, and one after more epochs begins with the same bytes, so that a TensorBoard that is looking goes on. Numbers
are float32, as TensorBoard keeps them; wall times are those at which the epochs were recorded.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qcqueue.errors import ExtraMissing, UserError
from qcqueue.exports.run import TrackedOutcome, TrackedRun
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.stores.scratch import scratch_folder

MOST_BYTES = 256 << 20
FILE_NAME = "events.out.tfevents.0000000000.qcqueue"
"""TensorBoard asks for the word before the number, and reads the files of a folder in the order of their names."""


def write_events(folder: Path, run: TrackedRun) -> TrackedOutcome:
    """Write the event file of a run into its folder, whole or not at all.

    Raises: ExtraMissing. UserError: the folder cannot be written.
    """
    content = event_bytes(run)
    path = folder / FILE_NAME
    try:
        before = read_regular(path, bytes_max=MOST_BYTES, follow=False) if path.exists() else None
        if content != before:
            folder.mkdir(parents=True, exist_ok=True)
            with scratch_folder(folder, ".writing-") as scratch:
                written = scratch / "whole"  # a name in which TensorBoard sees nothing to read
                written.write_bytes(content)
                written.replace(path)
    except NotRegularError as exc:
        raise UserError(f"{path} {exc}, and no event file", hint="--out ANOTHER_FOLDER") from exc
    except OSError as exc:
        raise UserError(f"{folder} cannot be written: {exc.strerror}", hint="--out ANOTHER_FOLDER") from exc
    what = "written" if before is None else "there already" if content == before else "added to"
    return TrackedOutcome(job=run.job, epochs=len(run.steps), what=what, where=str(path))


def event_bytes(run: TrackedRun) -> bytes:
    """Return the event file of a run. Raises: ExtraMissing: tensorboard is not installed."""
    try:
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ModuleNotFoundError as exc:
        raise ExtraMissing(
            f"the export to TensorBoard needs {exc.name}, which is not installed",
            hint='pip install "qcqueue[tensorboard]"',
        ) from exc
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in _events(run):
        writer.write(event.SerializeToString(deterministic=True))
    return content.getvalue()


def _events(run: TrackedRun) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

    is_scalar = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    yield Event(wall_time=run.began_s, file_version="brain.Event:2")
    for step in run.steps:
        values = [
            Summary.Value(tag=name, simple_value=value, metadata=is_scalar) for name, value in step.values.items()
        ]
        yield Event(wall_time=step.at_s, step=step.epoch, summary=Summary(value=values))
