"""Which files belong to a person's code: the one that is named, and the local modules that it imports, however deep.

They are found by reading, never by running: an import anywhere in a file counts, also one within a function. A name
that only the running program knows (`importlib.import_module(name)`) is not found; `check` tells, because the code runs
from its archive there. Local files never shadow installed packages, and a name that is both is refused, or the same
code would mean two things on two machines.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath

from qcqueue.code.archive import MOST_BYTES
from qcqueue.errors import UserError
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.suggest import shown


def files_of(entry: Path) -> dict[str, bytes]:
    """Return a Python file and all local modules that it imports, by their names below its folder.

    Raises: UserError: one of them cannot be read, is no Python, or has the name of an installed package.
    """
    folder = entry.parent
    if is_installed(entry.stem, beside=folder):
        raise UserError(f"{entry} has the name of an installed package", hint=f"give {shown(entry.stem)} another name")
    found: dict[str, bytes] = {}
    waiting = [entry.name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _read(folder / name)
        waiting += _local_imports(folder, name, found[name])
    return dict(sorted(found.items()))


def is_installed(module: str, *, beside: Path | None = None) -> bool:
    """Return whether Python finds a top module of this name that does not lie right here or beside a person's file."""
    if module in sys.stdlib_module_names:
        return True
    here = {Path.cwd(), *([beside.resolve()] if beside else [])}
    elsewhere = [place for place in sys.path if place and Path(place).resolve() not in here]
    spec = PathFinder.find_spec(module, elsewhere)
    return spec is not None and spec.origin is not None


def top_modules(names: Mapping[str, bytes]) -> set[str]:
    """Return the modules of code that an import may begin with."""
    tops = (PurePosixPath(name) for name in names)
    return {path.parts[0].removesuffix(".py") for path in tops}


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, bytes_max=MOST_BYTES, follow=False)
    except FileNotFoundError as exc:
        raise UserError(f"there is no file {path}") from exc
    except NotRegularError as exc:
        raise UserError(f"{path} {exc}") from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def _local_imports(folder: Path, name: str, source: bytes) -> Iterator[str]:
    """Yield the files that a file of code imports."""
    try:
        tree = ast.parse(source, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        line = f":{exc.lineno}" if isinstance(exc, SyntaxError) and exc.lineno else ""
        why = exc.msg if isinstance(exc, SyntaxError) else exc
        raise UserError(f"{folder / name}{line} is no Python: {why}") from exc
    package = PurePosixPath(name).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of_module(folder, tuple(alias.name.split(".")), by=name)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield from _files_of_module(folder, module, by=name)
            for alias in node.names:  # what is imported from a package may be a module of it
                yield from _files_of_module(folder, (*module, alias.name), by=name)


def _files_of_module(folder: Path, module: tuple[str, ...], *, by: str) -> Iterator[str]:
    """Yield the local files that an import of a module runs: its own, and those of the packages around it."""
    if not module or not _lies_in(folder, module[0]):
        return
    if is_installed(module[0], beside=folder):
        raise UserError(
            f"{folder / by} imports {module[0]}, which is an installed package and also a file beside it",
            hint=f"give {shown(module[0])} in {folder} another name",
        )
    for depth in range(1, len(module) + 1):
        path = PurePosixPath(*module[:depth])
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if (folder / candidate).is_file():
                yield candidate.as_posix()
                break


def _lies_in(folder: Path, module: str) -> bool:
    is_package = (folder / module).is_dir() and any((folder / module).glob("**/*.py"))
    return is_package or (folder / f"{module}.py").is_file()
