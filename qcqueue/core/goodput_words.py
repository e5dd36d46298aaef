"""Where time went, as a person reads it: the lines of a session, of `status` and of `show`. Pure."""

from collections.abc import Iterator

from qcqueue.core.goodput import GOODPUT, Goodput, Part, Seconds
from qcqueue.core.words import duration, listed

# What is shorter says nothing beside a session of minutes.
LEAST_S = 0.05
MOST_OF_THE_REST = 2
START = (Part.IMPORT, Part.DATA, Part.COMPILE, Part.RESTORE, Part.DOWNLOAD)
"""What lies between the start of a trainer and its first step, in the order of its life."""


def percent(share: float) -> str:
    """Return a share as whole percent; only all is 100 and only nothing is 0."""
    if 0 < share < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def largest_first(goodput: Goodput) -> Iterator[tuple[Part, float]]:
    """Yield the parts that took any time, with their seconds."""
    parts = ((part, goodput.seconds[part]) for part in Part if goodput.seconds[part])
    yield from sorted(parts, key=lambda item: -item[1])


def session_said(goodput: Goodput) -> str:
    """Return where the time of one session went: "held 33 s: compile 22 s, import 3.1 s; goodput 15 %"."""
    parts = [f"{part.label} {duration(seconds)}" for part, seconds in largest_first(goodput) if seconds >= LEAST_S]
    where = f": {', '.join(parts)}" if parts else ""
    return f"held {duration(goodput.held_s)}{where}; goodput {percent(goodput.goodput or 0.0)}"


def queue_said(goodput: Goodput) -> str:
    """Return where the time of all sessions went, in one sentence with the worst of what was of no use."""
    rest = [(part, seconds) for part, seconds in largest_first(goodput) if part not in GOODPUT]
    worst = [f"{part.label} {duration(seconds)}" for part, seconds in rest[:MOST_OF_THE_REST] if seconds >= LEAST_S]
    most = "most of the rest" if len(rest) > len(worst) else "the rest"
    return (
        f"Goodput {percent(goodput.goodput or 0.0)}: {duration(goodput.productive_s)} trained and saved of "
        f"{duration(goodput.held_s)} held{f'; {most}: {listed(worst)}' if worst else ''}."
    )


def start_said(seconds: Seconds, *, resumes: bool) -> str | None:
    """Return how the first step of an attempt came about; None where its trainer has not taken it yet.

    A state that was there before the trainer asked for it has cost it no time: its way was hidden behind the rest.
    """
    if Part.COMPILE not in seconds:
        return None
    took = {part: seconds.get(part, 0.0) for part in START}
    said = [f"{part.label} {duration(took[part])}" for part in START if took[part] >= LEAST_S]
    if resumes and took[Part.DOWNLOAD] < LEAST_S:
        said.append("download hidden")
    return f"first step after {duration(sum(took.values()))}: {', '.join(said)}"
