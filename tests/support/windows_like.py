"""A Python on which much is as on Windows, for the commands of a laptop, and what of qcqueue could not run there.

In the process that `typed` becomes, qcqueue is imported anew and does not find what only Unix has; making a link fails,
and so do opening a folder and moving or removing a file that is open. Libraries find all they know, as they have code
of their own for Windows. Always true: `os.name` stays, as it decides what a path is.
"""

import ast
import errno
import functools
import importlib
import io
import json
import os
import shutil
import signal
import sys
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

MODULES = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"})
"""Which modules Windows does not have."""

_OF_OS = """
O_CLOEXEC O_DIRECTORY O_DSYNC O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC O_TMPFILE EX_OK EX_TEMPFAIL
WNOHANG chown chroot confstr fchdir fchown fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg getpgid
getpgrp getpriority getsid getuid initgroups killpg lchown lockf mkfifo mknod openpty pread preadv pwrite pwritev readv
register_at_fork sched_getaffinity sched_setaffinity sendfile setgid setpgid setpriority setsid setuid statvfs sync
sysconf uname wait wait3 wait4 waitid writev
"""
_OF_SIGNAL = """
SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH SIG_BLOCK
SIG_SETMASK SIG_UNBLOCK alarm pause pthread_kill pthread_sigmask setitimer sigpending sigwait
"""
MISSING = {"os": frozenset(_OF_OS.split()), "signal": frozenset(_OF_SIGNAL.split())}
"""What is missing in modules that Windows has."""

METHODS = frozenset({"symlink", "symlink_to"})
"""What nobody may call there, whoever's it is: it needs rights that few people have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command and what it answered. imported: the modules of qcqueue that were there afterwards."""

    line: str
    code: int
    out: str
    err: str
    imported: frozenset[str]


def program(lines: Sequence[str]) -> str:
    """Return Python that types these commands, one after another, and says what `answers` reads."""
    return f"from tests.support.windows_like import typed\ntyped({[*lines]!r})\n"


def answers(said: str) -> list[Typed]:
    """Return what was answered to each command."""
    found = [json.loads(line) for line in said.splitlines()]
    return [Typed(**it | {"imported": frozenset(it["imported"])}) for it in found]


def typed(lines: Sequence[str]) -> NoReturn:
    """Type commands in this process, which is as on Windows from now on, and leave it."""
    _become()
    run = importlib.import_module("qcqueue.cli.main").run
    told = sys.stdout
    for line in lines:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = run(line.split())
        imported = sorted(name for name in sys.modules if name.partition(".")[0] == "qcqueue")
        said = {"line": line, "code": code, "out": out.getvalue(), "err": err.getvalue(), "imported": imported}
        print(json.dumps(said), file=told)
    sys.exit(0)


def unlike_windows(tree: ast.AST) -> list[str]:
    """Return what code would not find on Windows: modules, names in modules that are there, and links."""
    running = [*_running(tree)]
    asked = set[str]()
    for node in running:
        match node:
            case ast.Call(func=ast.Name(id="hasattr"), args=[_, ast.Constant(value=str(name))]):
                asked.add(name)
    return [said for node in running for said in _lacking(node) if said.rpartition(".")[2] not in asked]


def _lacking(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (f"import {it.name}" for it in names if it.name in MODULES)
        case ast.ImportFrom(module=str(module), names=names):
            missing = MISSING.get(module, frozenset())
            yield from (f"from {module} import {it.name}" for it in names if module in MODULES or it.name in missing)
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in MISSING.get(module, ()):
            yield f"{module}.{name}"
        case ast.Attribute(attr=name) if name in METHODS:
            yield f".{name}"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what of some code runs on Windows, going by its questions for the system, as type checkers do."""
    yield node
    for _, value in ast.iter_fields(node):
        children = [it for it in (value if isinstance(value, list) else [value]) if isinstance(it, ast.AST)]
        for child in children:
            answer = _answer(child.test) if isinstance(child, ast.If) else None
            if isinstance(child, ast.If) and answer is not None:
                taken = child.body if answer else child.orelse
                for one in taken:
                    yield from _running(one)
                if taken and isinstance(taken[-1], ast.Return | ast.Raise | ast.Continue):
                    break
            else:
                yield from _running(child)
                if isinstance(node, ast.BoolOp) and _answer(child) is isinstance(node.op, ast.Or):
                    break


def _answer(test: ast.AST) -> bool | None:
    """Return what a question for the system is answered on Windows, None where that does not decide."""
    match test:
        case ast.BoolOp(op=operator, values=[first, *_]):
            decides = isinstance(operator, ast.Or)
            return decides if _answer(first) is decides else None
        case ast.Compare(
            left=ast.Attribute(attr="platform"), ops=[compared], comparators=[ast.Constant(value="win32")]
        ):
            return isinstance(compared, ast.Eq)
    return None


def _become() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("qcqueue", "platformdirs")]:
        del sys.modules[name]
    importlib.import_module("filelock")  # whose locks stand in for those of Windows, which go with their process too
    importlib.import_module("dateutil.tz")  # which would read the time zones that Windows keeps in its registry
    _restrict()
    sys.platform = "win32"
    places: Any = importlib.import_module("platformdirs.windows")
    places._RESOLVE_WIN_FOLDER = places.get_win_folder_from_env_vars  # as there is no library of Windows to ask
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.modules["winreg"] = _Registry("winreg")
    os.environ["WINDIR"] = os.fspath(Path("no-such-folder").absolute())
    for module, names in ((os, MISSING["os"]), (signal, MISSING["signal"])):
        sys.modules[module.__name__] = _Without(module, names)
    setattr(webbrowser, "open", _agree)  # noqa: B010 (it takes no more than we give)


class _Registry(ModuleType):
    """The registry of a machine on which nothing is installed, for libraries that look there for fonts."""

    def __getattr__(self, name: str) -> Any:
        return name if name.startswith("HKEY_") else self._found_nothing

    @staticmethod
    def _found_nothing(*key: Any, **how: Any) -> NoReturn:
        raise FileNotFoundError(f"there is no key {key}")


class _Without(ModuleType):
    """A module, but for some names; what is set in it is set in the module."""

    def __init__(self, module: ModuleType, names: frozenset[str]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update({name: value for name, value in vars(module).items() if name not in names})
        self.__dict__["O_BINARY"] = 0


def _restrict() -> None:
    """Let calls of the system do no more than they do on Windows."""
    patched: dict[str, Callable[..., Any]] = {
        "open": _opened,
        "link": _refused("link"),
        "symlink": _refused("symlink"),
        "rename": _moved(os.rename, replaces=False),
        "replace": _moved(os.replace, replaces=True),
        "unlink": _removed(os.unlink),
        "remove": _removed(os.remove),
    }
    for name, call in patched.items():
        setattr(os, name, call)
    shutil._use_fd_functions = False  # type: ignore[attr-defined]  # which needs opened folders


def _opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if flags & os.O_TMPFILE != os.O_TMPFILE and Path(path).is_dir():  # the former is how Python makes a nameless file
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
    return _OPEN(path, flags, mode, dir_fd=dir_fd)


_OPEN = os.open


def _refused(name: str) -> Callable[..., NoReturn]:
    def call(*paths: Any, **how: Any) -> NoReturn:
        raise OSError(errno.EPERM, f"the disk has no {name}", os.fspath(paths[-1]))

    return call


def _moved(call: Callable[..., None], *, replaces: bool) -> Callable[..., None]:
    @functools.wraps(call)
    def move(source: Any, target: Any, **how: Any) -> None:
        if not replaces and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", os.fspath(target))
        _refuse_open(source, target)
        call(source, target, **how)

    return move


def _removed(call: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(call)
    def remove(path: Any, **how: Any) -> None:
        _refuse_open(path)
        call(path, **how)

    return remove


def _refuse_open(*paths: Any) -> None:
    """Raises: PermissionError: one of these is open in this process, or something below it."""
    for path in map(Path, map(os.path.realpath, paths)):
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if descriptor.readlink().is_relative_to(path):
                    is_open = f"{path} is open, and neither moved nor removed"
                    break
        else:
            continue
        raise PermissionError(errno.EACCES, is_open, os.fspath(path))


def _agree(page: str) -> bool:
    """Agree in the browser."""
    with urllib.request.urlopen(page) as answer:
        answer.read()
    return True
