"""One chance to work, as laws of chance write it down and campaigns use it up. A plain value.

Apart from `laws`, because a forecast of one's own days needs none of these.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One chance to work. begins_s: since the campaign began. held_s: until the machine is taken away.

    promised_s: how long the session is known to live, None where its end comes without warning. age_s: how long the
    machine has been held already.
    """

    begins_s: float
    held_s: float
    promised_s: float | None = None
    age_s: float = 0.0

    def after(self, used_s: float) -> "Window":
        """Return what is left of it for another session, once one has left by itself."""
        return Window(
            begins_s=self.begins_s + used_s,
            held_s=self.held_s - used_s,
            promised_s=None if self.promised_s is None else self.promised_s - used_s,
            age_s=self.age_s + used_s,
        )
