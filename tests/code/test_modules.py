"""The code of a person is the named file and the local modules it imports, and no installed package hides there."""

from pathlib import Path

import pytest

from qcqueue.code.modules import files_of, is_installed, top_modules
from qcqueue.errors import UserError


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "mine.py"


def test_a_file_that_imports_nothing_of_its_own_is_alone(tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": "import os\nimport numpy as np\nfrom pathlib import Path\n", "other.py": ""})
    assert files_of(entry) == {"mine.py": entry.read_bytes()}


@pytest.mark.parametrize(
    "line",
    [
        "import blocks",
        "import blocks as b, os",
        "from blocks import WIDTH",
        "from blocks import *",
        "def build(job):\n    import blocks",
        "try:\n    import blocks\nexcept ImportError:\n    pass",
    ],
)
def test_whatever_it_imports_comes_along(line: str, tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": line + "\n", "blocks.py": "WIDTH = 1\n"})
    assert list(files_of(entry)) == ["blocks.py", "mine.py"]


def test_what_that_imports_comes_along_too_also_in_a_circle(tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": "import one\n", "one.py": "import two\n", "two.py": "import one, mine\n"})
    assert list(files_of(entry)) == ["mine.py", "one.py", "two.py"]


@pytest.mark.parametrize("line", ["import lib.deep.net", "from lib.deep import net", "from lib.deep.net import build"])
def test_of_a_package_come_the_modules_that_are_named_and_what_stands_around_them(line: str, tmp_path: Path) -> None:
    files = {
        "mine.py": line + "\n",
        "lib/__init__.py": "",
        "lib/deep/__init__.py": "",
        "lib/deep/net.py": "from .. import common\nfrom . import side\nfrom .side import x\n",
        "lib/deep/side.py": "x = 1\n",
        "lib/common.py": "",
        "lib/unused.py": "",
    }
    entry = put(tmp_path, files)
    assert sorted(files_of(entry)) == sorted(set(files) - {"lib/unused.py"})


def test_a_package_without_init_is_one_too(tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": "from lib import net\n", "lib/net.py": ""})
    assert list(files_of(entry)) == ["lib/net.py", "mine.py"]


@pytest.mark.parametrize("name", ["random", "numpy"])
def test_no_file_may_have_the_name_of_an_installed_package(name: str, tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": f"import {name}\n", f"{name}.py": ""})
    with pytest.raises(UserError, match=f"imports {name}, which is an installed package and also a file") as refused:
        files_of(entry)
    assert "another name" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["json.py", "numpy.py"])
def test_nor_may_the_file_itself(name: str, tmp_path: Path) -> None:
    put(tmp_path, {name: "x = 1\n"})
    with pytest.raises(UserError, match="has the name of an installed package"):
        files_of(tmp_path / name)


def test_a_file_beside_it_that_nobody_imports_may_be_called_anything(tmp_path: Path) -> None:
    entry = put(tmp_path, {"mine.py": "x = 1\n", "numpy.py": ""})
    assert list(files_of(entry)) == ["mine.py"]


def test_the_folder_that_somebody_stands_in_installs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"mine.py": "import blocks\n", "blocks.py": ""})
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    assert not is_installed("blocks")
    assert list(files_of(tmp_path / "mine.py")) == ["blocks.py", "mine.py"]


@pytest.mark.parametrize(("text", "says"), [("def build(:\n", "mine.py:1 is no Python"), ("\0", "is no Python")])
def test_what_is_no_python_is_refused_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        files_of(put(tmp_path, {"mine.py": text}))


def test_a_file_that_is_not_there_a_folder_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "link.py").symlink_to(put(tmp_path, {"mine.py": ""}))
    for name, says in (("gone.py", "there is no file"), ("folder.py", "is a folder"), ("link.py", "link")):
        with pytest.raises(UserError, match=says):
            files_of(tmp_path / name)


def test_the_modules_of_code_are_what_an_import_begins_with() -> None:
    assert top_modules({"mine.py": b"", "lib/deep/net.py": b""}) == {"mine", "lib"}
