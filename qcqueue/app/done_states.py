"""Letting go of what done jobs keep beside their weights: those whose session could not, or was of an older qcqueue.

Which job that is and what it keeps is `queue.final_weights`' affair. Always true: a job whose head the store has not
whole is left as it is, and whoever is killed on the way leaves files that nothing names, or the job as it was.
"""

from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext, rehearse
from qcqueue.app.gc import Share, delete_unneeded
from qcqueue.checkpoints.format import HEAD_NAME, write_head_of_weights
from qcqueue.errors import BlobMissing, CheckpointDamaged, DigestMismatch
from qcqueue.queue.final_weights import keep_weights_only, whole_states
from qcqueue.stores.base import Blob
from qcqueue.stores.files import on_this_machine, scratch
from qcqueue.text.canonical_json import digest_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def plan_states(context: QueueContext) -> tuple[Share, ...]:
    """Return what each done job would let go of; changes nothing. Raises: StoreError."""
    return rehearse(context.database, lambda tx: _planned(tx, context.clock.now_s()))


def let_go_of_states(context: QueueContext, job_name: str) -> tuple[Blob, ...]:
    """Have a done job keep its weights alone, and delete what that frees; return that.

    Raises: StoreError: the job is as it was, or what was freed is left for the next clean-up.
    """
    # A checkpoint of an older qcqueue is completed while it is looked at, which is taken back.
    whole = rehearse(context.database, whole_states)
    head = next((it.head for it in whole if it.job_name == job_name), None)
    if head is None:
        return ()
    with scratch(context.cache, prefix="fetch-") as folder:
        try:
            context.store.fetch(head, folder / "of-its-state")
            with on_this_machine(folder):
                write_head_of_weights(folder / HEAD_NAME, folder / "of-its-state")
        except (BlobMissing, DigestMismatch, CheckpointDamaged):  # `store verify` tells what that costs
            return ()
        small = context.store.put(folder / HEAD_NAME, title=f"{job_name}, weights")
    freed = context.transact(lambda tx: keep_weights_only(tx, job_name, small, now_s=context.clock.now_s()))
    delete_unneeded(context, freed)
    return tuple(blob for blob in freed if blob != small)


def _planned(tx: "Connection", now_s: float) -> tuple[Share, ...]:
    shares = []
    for it in whole_states(tx):
        made_up = Blob(sha256=digest_of(["head", it.job_name]), size_bytes=0)
        freed = [blob for blob in keep_weights_only(tx, it.job_name, made_up, now_s=now_s) if blob != made_up]
        shares.append(Share(name=it.job_name, files=len(freed), size_bytes=sum(blob.size_bytes for blob in freed)))
    return tuple(shares)
