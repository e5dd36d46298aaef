"""The log of a session: what it narrated, every warning and any traceback, as JSON lines in this machine's cache.

One file a session, for the last ten. A line says at_s, session, action, message and, where there is more, facts. Always
true: it holds no secret and no home's path, it stops where it has become large, and a disk that does not take a line
never stops the session.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcqueue.app.vanished import lives_here
from qcqueue.clock import WallTime
from qcqueue.core.printed import Private, discreet
from qcqueue.spool.trainer_output import private_here
from qcqueue.stores.regular import NO_FOLLOW

FOLDER, ENDING = "logs", ".jsonl"
KEPT = 10
MOST_BYTES = 4 << 20
_LAST_LINE_BYTES = 512

_OURS = "qcqueue"
_NOTE = "the log of this session is "

# What every record of `logging` has; all else is what somebody passed as `extra`.
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "action"}


@contextmanager
def logging_to(cache: Path, session_id: str, clock: WallTime) -> Iterator[Path | None]:
    """Write the log of a session while it lasts; yields the file, None where none can be made.

    An error of ours that passes is written down with its traceback, and told where that is.
    """
    handler, ours = _SessionLog(cache / FOLDER / f"{session_id}{ENDING}", session_id, clock), logging.getLogger(_OURS)
    level, propagates = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False  # whoever has a log of their own, as a notebook may, is not told twice what is narrated
    try:
        handler.begin()
        _forget_old(cache, but=session_id)
        yield handler.path if handler.is_writing else None
    except Exception as exc:
        ours.error("the session ended by an error", exc_info=exc, extra={"action": "session_failed"})
        if handler.is_writing:
            exc.add_note(f"{_NOTE}{handler.path}")
        raise
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        ours.propagate = propagates
        handler.close()


def log_behind(error: BaseException) -> str | None:
    """Return the log of the session that an error has ended, None where there is none."""
    notes = (note for note in getattr(error, "__notes__", ()) if isinstance(note, str) and note.startswith(_NOTE))
    return next((note.removeprefix(_NOTE) for note in notes), None)


def newest_log(cache: Path) -> Path | None:
    """Return the log of the session of this machine that was at work last."""
    return next(iter(_by_age(cache / FOLDER)), None)


def _forget_old(cache: Path, *, but: str) -> None:
    for path in _by_age(cache / FOLDER)[KEPT:]:
        if path.stem != but and not lives_here(cache, path.stem):
            with contextlib.suppress(OSError):
                path.unlink()


def _by_age(folder: Path) -> list[Path]:
    """Return the logs in a folder, the newest first."""
    found = list[tuple[int, str, Path]]()
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if path.suffix == ENDING and path.is_file() and not path.is_symlink():
                    found.append((path.stat().st_mtime_ns, path.name, path))
    return [path for _, _, path in sorted(found, reverse=True)]


class _SessionLog(logging.Handler):
    """Writes records as lines of JSON, each at once, for a process can end at any instant."""

    def __init__(self, path: Path, session_id: str, clock: WallTime) -> None:
        super().__init__()
        self.path = path
        self._session_id = session_id
        self._clock = clock
        self._private: Private = private_here()
        self._descriptor: int | None = None
        self._left_bytes = MOST_BYTES

    @property
    def is_writing(self) -> bool:
        return self._descriptor is not None

    def begin(self) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_FOLLOW, 0o600)

    def emit(self, record: logging.LogRecord) -> None:
        if self._descriptor is None or self._left_bytes <= 0:
            return
        try:
            line = self._line(record)
        except Exception:  # nothing that is said about the work may end it
            return
        if len(line) + _LAST_LINE_BYTES > self._left_bytes:
            line = self._written("log_full", f"the log has {MOST_BYTES >> 20} MB and ends here", {})
            self._left_bytes = len(line)
        with contextlib.suppress(OSError):  # a full disk costs lines, and nothing else
            os.write(self._descriptor, line)
        self._left_bytes -= len(line)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        facts = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        if record.levelno >= logging.WARNING:
            facts["level"] = record.levelname.lower()
        if record.exc_info:
            facts["traceback"] = logging.Formatter().formatException(record.exc_info)
        return self._written(str(getattr(record, "action", record.name)), record.getMessage(), facts)

    def _written(self, action: str, message: str, facts: dict[str, Any]) -> bytes:
        said = {"at_s": self._clock.now_s(), "session": self._session_id, "action": action}
        said |= {"message": discreet(message, self._private)}
        if facts:
            said |= {"facts": {name: self._plain(value) for name, value in facts.items()}}
        return json.dumps(said, ensure_ascii=True).encode() + b"\n"

    def _plain(self, value: Any) -> Any:
        return value if value is None or isinstance(value, bool | int) else discreet(str(value), self._private)
