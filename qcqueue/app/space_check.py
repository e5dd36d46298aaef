"""Whether what is still to run fits into the store: said before anything runs, refused never.

The forecast is `core`'s, the jobs the queue's, the free space the store's. Always true: a store that does not tell its
free space, or has no limit, is never said to be too small.
"""

from qcqueue.app.context import QueueContext
from qcqueue.core.space_forecast import SpaceForecast
from qcqueue.errors import StoreError
from qcqueue.text.humanize import count, size
from qcqueue.text.suggest import printable

ADVICE = 'free some, or use trainable = "head"'


def shortage(context: QueueContext, needs: SpaceForecast) -> str | None:
    """Return a sentence where the jobs will not fit, None where they will or nobody knows. It asks the store once."""
    if not needs.jobs:
        return None
    try:
        free_bytes = context.free_bytes()
    except StoreError:  # what was asked for is done, and whether it fits is no reason to fail
        return None
    if free_bytes is None or needs.more_bytes <= free_bytes:
        return None
    verb = "needs" if needs.jobs == 1 else "need"
    return (
        f"{whose(needs)} {verb} about {size(needs.more_bytes)} in {context.store.url}, and {size(free_bytes)} are "
        f"free; {'it' if needs.jobs == 1 else 'they'} will stop when it is full: {ADVICE}"
    )


def whose(needs: SpaceForecast) -> str:
    """Return how a person calls the jobs of a forecast."""
    of = printable(needs.studies[0]) if len(needs.studies) == 1 else "this queue"
    return f"the {count(needs.jobs, 'job')} of {of}" if needs.jobs > 1 else f"the job of {of}"
