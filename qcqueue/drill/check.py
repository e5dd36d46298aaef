"""`check`: whether the model of a job means the same in two processes, before any GPU time is spent on it.

Everything lies in a folder of its own, and what the person's queue has is only read. Whoever has a file checked has
approved its code by that, for this check alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qcqueue.app.context import context_in, create_store
from qcqueue.app.studies import read_specs
from qcqueue.catalog.models import KERAS_TF, engine_name
from qcqueue.core.spec import WEIGHTS, JobSpec
from qcqueue.drill.drill import bring_dataset, chosen_from
from qcqueue.engines.base import Assignment
from qcqueue.errors import ExtraMissing, ModelRefused
from qcqueue.queue.enqueue import check_data
from qcqueue.text.humanize import listed
from qcqueue.worker.download import fetch_once
from qcqueue.worker.machine import is_installed, this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one job. differs: what differed first, with its likely reason, or why it is refused; "" for none."""

    job_name: str
    differs: str

    @property
    def is_same(self) -> bool:
        return not self.differs


def check_file(
    file: Path, *, overrides: Sequence[str], only: str | None, folder: Path, narrate: Callable[[str], None]
) -> Iterator[Checked]:
    """Check the jobs of a study file one after the other; yield what came of each as soon as it is known.

    Raises: SpecInvalid, UserError: as when they are enqueued. UnknownName: there is no such job, or no dataset.
        ExtraMissing: a package that a job requires is not installed.
    """
    source = context_in(folder / "source", cache=folder / "cache")
    create_store(folder / "source")
    found = read_specs(source, [file], overrides=overrides)
    places = {blob.sha256: blob for blob in found.attached}
    threads = this_machine(source.cache, source.ids).threads
    for spec in chosen_from(found.specs, only, file, hint=f"qcqueue check {file}"):
        if lacking := [name for name in spec.requires if not is_installed(name)]:
            raise ExtraMissing(
                f"{spec.full_name} requires {listed(lacking)}, not installed here",
                hint=f"pip install {' '.join(lacking)}",
            )
        dataset = bring_dataset(source, spec.dataset, narrate=narrate)
        with source.read() as tx:
            check_data(tx, [spec])
        narrate(f"{spec.full_name}: two processes make the same steps")

        def here(sha256: str | None) -> Path | None:
            return fetch_once(source.store, places[sha256], folder / "blobs") if sha256 else None

        assignment = Assignment(
            spec=spec,
            dataset_path=fetch_once(source.store, dataset.blob, folder / "blobs"),
            weights_path=here(spec.attachments.get(WEIGHTS)),
            code_path=here(spec.code_sha256),
            threads=threads,
            resume_from=None,
            best=lambda epoch: {},
        )
        yield Checked(job_name=spec.full_name, differs=_differs(spec, assignment))


def _differs(spec: JobSpec, assignment: Assignment) -> str:
    if engine_name(spec.model) != KERAS_TF:  # a toy is arithmetic, and keeps all that it has in its state
        return ""
    # Imported here: it is the way to TensorFlow, which a child of it imports.
    from qcqueue.engines.keras_tf.two_processes import difference

    try:
        return difference(assignment)
    except ModelRefused as exc:
        return str(exc)
