"""Choices of a step that all runs of one kind on one kind of hardware share: each is measured once.

Whoever measures first is believed by all who come later, until their key is another one: another version, GPU or flag.
"""

from sqlalchemy import Connection, select

from qcqueue.core.step_choice import StepChoice
from qcqueue.database.dialects import insert
from qcqueue.database.schema import step_choices
from qcqueue.queue.stored import step_choice_of
from qcqueue.text.canonical_json import canonical_json

# Of one model: more kinds of hardware than a study meets.
MOST_SHARED = 50


def shared_choices(tx: Connection, model: str) -> tuple[StepChoice, ...]:
    """Return what was measured of a model, on whatever hardware, the newest first."""
    asked = select(step_choices.c.choice).where(step_choices.c.model == model)
    newest = asked.order_by(step_choices.c.measured_at_s.desc(), step_choices.c.key).limit(MOST_SHARED)
    return tuple(step_choice_of(text) for text in tx.execute(newest).scalars())


def share_choice(tx: Connection, choice: StepChoice, *, model: str, now_s: float) -> None:
    """Share what an attempt has measured, unless somebody has before, or it holds for no other run."""
    if choice.is_shareable:
        pin_choice(tx, choice, model=model, now_s=now_s)


def pin_choice(tx: Connection, choice: StepChoice, *, model: str, now_s: float) -> None:
    """Let all runs that begin from now on take this step, however it was chosen, where nothing is shared yet."""
    row = {"model": model, "choice": canonical_json(choice.to_json()), "measured_at_s": now_s}
    tx.execute(insert(step_choices).values(key=choice.key, **row).on_conflict_do_nothing())
