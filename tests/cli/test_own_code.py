"""Code of a person's own, as commands deal with it: packed, named by its digest, approved here and nowhere else."""

import hashlib
import json

import pytest

from qcqueue.cli.main import run
from qcqueue.code.archive import pack, unpack
from qcqueue.code.modules import files_of
from qcqueue.queue.blobs import find_blobs
from qcqueue.queue.job_detail import job_detail
from tests.cli.queues import STUDY, House

MINE = "import blocks\n\n\ndef build(job):\n    return blocks.WIDTH\n"
JOB = '[[job]]\nmodel = "lib/mine.py:build"\nparams = { width = 8 }\n'


@pytest.fixture
def house(empty_house: House) -> House:
    (empty_house.folder / "lib").mkdir()
    empty_house.write("lib/mine.py", MINE)
    empty_house.write("lib/blocks.py", "WIDTH = 1\n")
    empty_house.write("study.toml", STUDY + JOB)
    return empty_house


def digest(house: House) -> str:
    return hashlib.sha256(pack(files_of(house.folder / "lib" / "mine.py"))).hexdigest()


def test_its_files_travel_as_one_archive_that_its_digest_names(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["enqueue", "study.toml"]) == 0
    out = capfd.readouterr().out
    assert (
        f"code  blocks.py, mine.py: approved on this machine; on another, qcqueue work --trust {digest(house)}" in out
    )
    with house.queue.read() as tx:
        spec = job_detail(tx, "tiny/mine").spec
    assert (spec.model, spec.params, spec.weights, spec.code_sha256) == (
        "mine.py:build",
        '{"width":8}',
        "none",
        digest(house),
    )
    with house.queue.read() as tx:
        (blob,) = find_blobs(tx, {digest(house)})
    house.queue.store.fetch(blob, house.folder / "fetched")
    fetched = (house.folder / "fetched").read_bytes()
    assert unpack(fetched, sha256=digest(house)) == files_of(house.folder / "lib" / "mine.py")


def test_a_changed_byte_in_a_module_it_imports_is_another_job(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["enqueue", "study.toml"]) == 0
    assert run(["enqueue", "study.toml"]) == 0
    assert "already there  tiny/mine" in capfd.readouterr().out
    house.write("lib/blocks.py", "WIDTH = 2\n")
    assert run(["enqueue", "study.toml"]) == 2
    assert "code_sha256" in capfd.readouterr().err
    assert run(["enqueue", "study.toml", "--replace"]) == 0


def test_what_was_enqueued_here_is_trusted_here_and_can_be_let_go(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["trust", "list", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["approved"] == []
    assert run(["enqueue", "study.toml", "--dry-run"]) == 0
    assert run(["trust", "list"]) == 0
    assert "no code of anybody may run on this machine yet" in capfd.readouterr().out
    assert run(["enqueue", "study.toml"]) == 0
    capfd.readouterr()
    assert run(["trust", "list", "--json"]) == 0
    (approved,) = json.loads(capfd.readouterr().out)["approved"]
    assert (approved["digest"], approved["files"]) == (digest(house), ["blocks.py", "mine.py"])
    assert run(["trust", "remove", digest(house)[:10]]) == 0
    assert run(["trust", "remove", digest(house)[:10]]) == 2
    assert f"no code of digest {digest(house)[:10]} may run here" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lib/mine.py": "def build(:\n"}, "mine.py:1 is no Python"),
        ({"study.toml": STUDY + JOB.replace("mine", "gone")}, "there is no file"),
        ({"lib/json.py": "", "lib/mine.py": "import json\n"}, "imports json, which is an installed package"),
        ({"study.toml": STUDY + JOB + "dropout = 0.5\n"}, "your function says this itself"),
        ({"study.toml": STUDY + JOB + 'requires = ["a==1"]\n'}, "allowed is a list of package names"),
        ({"study.toml": STUDY + JOB.replace(":build", "")}, '"FILE.py:FUNCTION"'),
        ({"study.toml": STUDY + '[[job]]\nmodel = "VGG16"\nparams = { a = 1 }\n'}, "beside a model of the catalogue"),
    ],
)
def test_what_cannot_be_packed_is_said_in_a_sentence_and_changes_nothing(
    change: dict[str, str], says: str, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in change.items():
        house.write(name, text)
    before = house.fingerprint()
    assert run(["enqueue", "study.toml"]) == 2
    err = capfd.readouterr().err
    assert says in err
    assert "Traceback" not in err
    assert house.fingerprint() == before


@pytest.mark.parametrize("typed", ["abc", "g" * 64, "../../etc/passwd", "A" * 64, ""])
def test_only_a_whole_digest_is_approved_by_hand(typed: str, house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["work", "--trust", typed]) == 2
    assert "is no digest of code" in capfd.readouterr().err
    assert not (house.cache / "trusted").exists()
