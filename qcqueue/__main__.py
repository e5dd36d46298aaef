"""`python -m qcqueue` is the same as `qcqueue`: the command line, imported without a search for garbage.

What an import makes, stays. To look through it again and again takes a tenth of the time until `status` has answered;
a command that may live for hours has the collector back before it begins. Always true: whoever asks to leave while
libraries load gets the exit code of the contract and no traceback.
"""

import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run one command and exit with the code of the contract."""
    gc.disable()
    answered = list[int]()
    try:
        if sys.argv[1:2] == ["work"]:
            answered += _answer_signals()
        from qcqueue.cli.main import main as answer
    except KeyboardInterrupt:
        _leave("stopped by Ctrl-C; nothing was begun", 130)
    try:
        answer()
    finally:
        for number in answered:  # how it ended stands by now
            signal.signal(number, signal.SIG_IGN)
        gc.freeze()  # the interpreter looks for garbage once more before it goes


def _answer_signals() -> Iterator[int]:
    """Leave as `work` does by each signal to leave, from now on until it answers them itself; yield which."""
    from qcqueue.core.signals import FOR_THE_SESSION, asked_by

    def leave(number: int, frame: FrameType | None) -> None:
        _leave(asked_by(number, interrupt=""), 20)

    for number in FOR_THE_SESSION - {signal.SIGINT}:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
            yield number


def _leave(why: str, exit_code: int) -> NoReturn:
    with suppress(OSError, RuntimeError):  # a terminal that was closed, or a line that it has come in the midst of
        print(f"qcqueue: {why}", file=sys.stderr, flush=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
