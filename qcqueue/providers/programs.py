"""What a program of a provider says: it is not waited for long, and not read for ever."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

LIMIT_S = 10.0
MOST_BYTES = 64 << 10


def answer_of(command: Sequence[str], environ: Mapping[str, str]) -> bytes | None:
    """Return what a program prints, None where it fails, is not done within LIMIT_S, or prints over MOST_BYTES.

    Whatever it has started ends with it then. Raises: OSError: it cannot be started.
    """
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    heard = list[bytes]()

    def listen() -> None:
        assert process.stdout, "it was started with a pipe"
        with process.stdout as stream:
            said = stream.read(MOST_BYTES + 1)
        if len(said) <= MOST_BYTES and process.wait() == 0:
            heard.append(said)

    listening = threading.Thread(target=listen, daemon=True)  # a pipe that somebody else keeps open holds nobody up
    listening.start()
    try:
        listening.join(LIMIT_S)
    finally:
        if process.returncode is None:  # nobody has waited for it, so its number is still its own
            with suppress(OSError):
                if sys.platform == "win32":
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return heard[0] if heard else None
