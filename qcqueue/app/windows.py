"""What Windows itself cannot do: a session needs locks, signals and links as Unix has them.

Every command of a laptop works there on a queue on Google Drive. Always true: what cannot is refused before anything
of it is imported, in one sentence and with a way to do it all the same.
"""

import sys

from qcqueue.errors import UserError

WSL = "in WSL (wsl --install), install qcqueue and type the same there; or work in Colab: qcqueue notebook"


def refuse_on_windows(command: str) -> None:
    """Raises: UserError: this is Windows, and outside of its WSL."""
    if sys.platform == "win32":
        raise UserError(f"qcqueue {command} does not run on Windows itself", hint=WSL)
