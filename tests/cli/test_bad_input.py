"""Whatever a person types or a file holds: one clear sentence that names the thing, the exit code of the contract,
and neither the queue nor any file changed.

Several sentences stand only where several things are wrong, one line each. A `next:` line always follows.
"""

import os
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from qcqueue.app import work as working
from qcqueue.cli.main import run
from qcqueue.errors import QcqueueError, SpecInvalid
from qcqueue.queue.job_lines import job_lines
from tests.cli.queues import DATASET, JOB, STUDY, House, a_job, put
from tests.datasets.pictures import folder_of, three_classes, zip_of

LONGEST_SENTENCE = 700
LIMIT_S = 30
LONG = "x" * 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is typed, in which circumstances, and what must be answered. names: what the sentences must mention."""

    said: str
    typed: str | tuple[str, ...]
    names: tuple[str, ...]
    code: int = 2
    sentences: int = 1
    given: Callable[[House], object] = lambda house: None
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def arguments(self) -> list[str]:
        return self.typed.split() if isinstance(self.typed, str) else list(self.typed)


def _below(error: type[QcqueueError]) -> list[type[QcqueueError]]:
    return [one for child in error.__subclasses__() for one in (child, *_below(child))]


def a_file(name: str, content: str | bytes) -> Callable[[House], object]:
    return lambda house: house.write(name, content)


def a_study(text: str) -> Callable[[House], object]:
    return a_file("study.toml", text)


def settings(text: str | bytes) -> Callable[[House], object]:
    return a_file("qcqueue.toml", text)


def pictures(house: House) -> None:
    folder_of(house.folder / "pictures", three_classes())


def a_zip(name: str, content: bytes = b"", mode: int = 0) -> Callable[[House], object]:
    """A zip of good pictures with one member that is not."""

    def make(house: House) -> None:
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = mode << 16
        zip_of(house.folder / "pictures.zip", three_classes(), (member, content))

    return make


def a_folder_with(name: str, content: bytes) -> Callable[[House], object]:
    return lambda house: folder_of(house.folder / "pictures", three_classes() | {name: content})


def a_link_out_of_the_folder(house: House) -> None:
    pictures(house)
    (house.folder / "pictures" / "good" / "link.png").symlink_to(house.folder / "qcqueue.toml")


def a_database(*statements: str) -> Callable[[House], object]:
    def make(house: House) -> None:
        connection = sqlite3.connect(house.database)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return make


def another_database(*statements: str) -> Callable[[House], object]:
    def make(house: House) -> None:
        house.database.unlink()
        a_database(*statements)(house)

    return make


def half_a_database(house: House) -> None:
    whole = house.database.read_bytes()
    house.database.write_bytes(whole[: len(whole) // 2])


def a_folder_for_a_database(house: House) -> None:
    house.database.unlink()
    house.database.mkdir()


def two_studies_with_one_name(house: House) -> None:
    put(house.queue, a_job("vgg16"), a_job("vgg16", study="other"))


COMMAND_LINE = (
    Case(said="an unknown command", typed="stauts", names=("'stauts'", "'status'")),
    Case(said="an unknown command about data", typed="data lst", names=("'lst'", "'list'")),
    Case(said="no command about data", typed="data", names=("command",)),
    Case(said="an unknown flag", typed="status --jsno", names=("--jsno", "--json")),
    Case(said="a flag of another command", typed="status --kills 3", names=("--kills",)),
    Case(said="a flag without its value", typed="status --store", names=("--store",)),
    Case(said="no job where one is needed", typed="show", names=("JOB",)),
    Case(said="two jobs where one is needed", typed="show queued held", names=("held",)),
    Case(said="no study file", typed="enqueue", names=("FILE",)),
    Case(said="no place to move to", typed="move queued", names=("first", "last", "before")),
    Case(said="no name for a dataset", typed="data add pictures", names=("--name",), given=pictures),
)

VALUES = (
    Case(said="no minutes at all", typed="work --max-minutes 0", names=("--max-minutes", "0")),
    Case(said="fewer than no minutes", typed="work --max-minutes -1", names=("--max-minutes", "-1")),
    Case(said="minutes that are not a number", typed="work --max-minutes nan", names=("--max-minutes", "nan")),
    Case(said="endless minutes", typed="work --max-minutes inf", names=("--max-minutes", "inf")),
    Case(said="minutes in words", typed="work --max-minutes ten", names=("--max-minutes", "'ten'")),
    Case(said="no epochs at all", typed="work --max-epochs 0", names=("--max-epochs", "0")),
    Case(said="half an epoch", typed="work --max-epochs 0.5", names=("--max-epochs", "'0.5'")),
    Case(said="no jobs at all", typed="work --jobs 0", names=("--jobs", "0")),
    Case(said="fewer than no kills", typed="drill study.toml --kills -3", names=("--kills", "-3"), given=a_study("")),
    Case(
        said="a certificate in a folder that is missing",
        typed="drill study.toml --out nowhere/certificate.json",
        names=("nowhere",),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a drill of a job that is not in the file",
        typed="drill study.toml --job vgg61",
        names=("'vgg61'", "vgg16"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a drill in a store of no kind",
        typed="drill study.toml --store s3:bucket",
        names=("'s3:bucket'", "--store"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a drill in a folder that is missing",
        typed="drill study.toml --store shared:nowhere",
        names=("nowhere",),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a certificate that is missing",
        typed="report --certificate nowhere.json",
        names=("nowhere.json",),
    ),
    Case(
        said="a certificate that is none",
        typed="report --certificate qcqueue.toml",
        names=("qcqueue.toml", "certificates"),
    ),
    Case(said="a demo in a folder of somebody else's", typed="demo --out queue", names=("queue",)),
    Case(said="a demo below a file", typed="demo --out qcqueue.toml/demo", names=("qcqueue.toml/demo",)),
    Case(said="a report in a file", typed="report --out qcqueue.toml", names=("qcqueue.toml",)),
    Case(said="a demo in a file", typed="demo --out qcqueue.toml", names=("qcqueue.toml",)),
    Case(
        said="a size of nothing",
        typed="data add pictures --name p --image-size 0x75",
        names=("'0x75'",),
        given=pictures,
    ),
    Case(said="a size in words", typed="data add pictures --name p --image-size big", names=("'big'",), given=pictures),
    Case(said="a split into two", typed="data add pictures --name p --split 9,6", names=("'9,6'",), given=pictures),
    Case(said="a split in words", typed="data add pictures --name p --split a,b,c", names=("'a,b,c'",), given=pictures),
    Case(
        said="a split into more images than there are",
        typed="data add pictures --name p --split 9,3,99",
        names=("9,3,99", "15"),
        given=pictures,
    ),
    Case(
        said="a split into nothing for the test",
        typed="data add pictures --name p --split 80,20,0",
        names=("'80,20,0'", "test"),
        given=pictures,
    ),
    Case(
        said="shares that are more than all",
        typed="data add pictures --name p --split 0.7,0.7,0.7",
        names=("'0.7,0.7,0.7'", "2.1"),
        given=pictures,
    ),
    Case(
        said="a split of two kinds",
        typed="data add pictures --name p --split 70,15,15 --split-folders train=good",
        names=("--split", "--split-folders"),
        given=pictures,
    ),
    Case(
        said="a part that there is not",
        typed="data add pictures --name p --split-folders tset=good",
        names=("'tset'", "'test'"),
        given=pictures,
    ),
    Case(
        said="a folder that is not there",
        typed="data add pictures --name p --split-folders train=goood",
        names=("goood", "good"),
        given=pictures,
    ),
    Case(
        said="groups by half a pattern",
        typed="data add pictures --name p --group-by (p",
        names=("--group-by", "(p"),
        given=pictures,
    ),
    Case(
        said="groups of counted images",
        typed="data add pictures --name p --group-by ([0-9]) --split 9,3,3",
        names=("9,3,3",),
        given=pictures,
    ),
    Case(
        said="a pattern that takes nothing",
        typed="data add pictures --name p --include images/*",
        names=("images/*", "pictures"),
        given=pictures,
    ),
    Case(said="half a seed", typed="data add pictures --name p --seed 1.5", names=("--seed", "'1.5'"), given=pictures),
    Case(
        said="a dataset name with spaces",
        typed=("data", "add", "pictures", "--name", "My Pictures"),
        names=("'My Pictures'",),
        given=pictures,
    ),
    Case(said="a practice set of no images", typed="data sample --images 0", names=("0 images",)),
    Case(said="a practice set under a bad name", typed="data sample --name ../up", names=("'../up'",)),
)

JOBS = (
    Case(said="an unknown job", typed="show quoued", names=("'quoued'", "tiny/queued")),
    Case(said="an unknown job to tell of", typed="log nonesuch", names=("'nonesuch'",)),
    Case(said="an unknown job to explain", typed="why tiny/dnoe", names=("'tiny/dnoe'", "tiny/done")),
    Case(
        said="a short name of two jobs",
        typed="hold vgg16",
        names=("'vgg16'", "tiny/vgg16", "other/vgg16"),
        given=two_studies_with_one_name,
    ),
    Case(said="an empty name", typed=("show", ""), names=("''",)),
    Case(said="a name of ten thousand letters", typed=("show", LONG), names=("xxx",)),
    Case(said="a name with a line break", typed=("show", "two\nlines"), names=(r"two\nlines",)),
    Case(said="a name with a command for the terminal", typed=("show", "\x1b[2Jgone"), names=("gone",)),
    Case(said="a name with a NUL byte", typed=("show", "a\0b"), names=(r"a\x00b",)),
    Case(said="a name that is not text", typed=("show", "a\udcffb"), names=(r"a\udcffb",)),
    Case(said="a job name that is SQL", typed=("cancel", "' OR 1=1 --"), names=("OR 1=1",)),
    Case(said="holding a finished job", typed="hold done", names=("tiny/done is done",)),
    Case(said="holding a job twice", typed="hold held", names=("tiny/held is held",)),
    Case(said="releasing a job that is not held", typed="release queued", names=("tiny/queued is queued",)),
    Case(said="retrying a finished job", typed="retry done", names=("tiny/done is done",)),
    Case(said="retrying a waiting job", typed="retry queued", names=("tiny/queued is queued", "hold")),
    Case(said="retrying a running job", typed="retry running", names=("tiny/running is running",)),
    Case(said="cancelling a job twice", typed="cancel cancelled", names=("tiny/cancelled is cancelled", "retry")),
    Case(said="cancelling a finished job", typed="cancel done", names=("tiny/done is done",)),
    Case(said="trying out what is not allowed", typed="hold done --dry-run", names=("tiny/done is done",)),
    Case(said="moving a job sideways", typed="move queued sideways", names=("'sideways'", "first")),
    Case(said="moving a job before nothing", typed="move queued before", names=("before",)),
    Case(said="moving a job first, before another", typed="move queued first held", names=("first",)),
    Case(said="moving a job before itself", typed="move queued before queued", names=("tiny/queued", "itself")),
    Case(said="moving a job before an unknown one", typed="move queued before hled", names=("'hled'", "tiny/held")),
    Case(said="moving an unknown job", typed="move nonesuch first", names=("'nonesuch'",)),
    Case(said="an unknown dataset", typed="data show qc-tniy", names=("'qc-tniy'", "'qc-tiny'")),
)

STUDIES = (
    Case(said="a missing study file", typed="enqueue nope.toml", names=("nope.toml",)),
    Case(said="a folder for a study file", typed="enqueue queue", names=("queue", "folder")),
    Case(said="a study file below a file", typed="enqueue qcqueue.toml/study.toml", names=("qcqueue.toml/study.toml",)),
    Case(
        said="a study file with a line break in its name",
        typed=("enqueue", "no\nsuch.toml"),
        names=(r"no\nsuch.toml",),
    ),
    Case(said="a study file with a NUL byte in its name", typed=("enqueue", "no\0such.toml"), names=(r"no\x00such",)),
    Case(said="a study file with an endless name", typed=("enqueue", LONG), names=("xxx",)),
    Case(
        said="an image for a study file",
        typed="enqueue study.toml",
        names=("study.toml", "UTF-8"),
        given=a_file("study.toml", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ),
    Case(
        said="a study file in Latin-1",
        typed="enqueue study.toml",
        names=("study.toml", "UTF-8"),
        given=a_file("study.toml", "study = 'gütig'".encode("latin-1")),
    ),
    Case(
        said="a study file of megabytes",
        typed="enqueue study.toml",
        names=("study.toml", "1 MB"),
        given=a_study("# long\n" * 200_000),
    ),
    Case(
        said="an empty study file",
        typed="enqueue study.toml",
        names=("study.toml:1", "study", "dataset", "job"),
        sentences=3,
        given=a_study(""),
    ),
    Case(
        said="a study file that is not TOML",
        typed="enqueue study.toml",
        names=("study.toml:2", "dataset ="),
        given=a_study('study = "tiny"\ndataset = \n'),
    ),
    Case(
        said="a misspelt model",
        typed="enqueue study.toml",
        names=("study.toml:7", "model", "Xeption", "did you mean", "Xception"),
        given=a_study(STUDY + '[[job]]\nmodel = "Xeption"\n'),
    ),
    Case(
        said="a misspelt key",
        typed="enqueue study.toml",
        names=("study.toml:8", "epcohs", "did you mean epochs"),
        given=a_study(STUDY + JOB + "epcohs = 3\n"),
    ),
    Case(
        said="three mistakes in one study file",
        typed="enqueue study.toml",
        names=("batch_size", "optimizer", "learning_rate"),
        sentences=3,
        given=a_study(STUDY + JOB + 'batch_size = 0\noptimizer = "adm"\nlearning_rate = nan\n'),
    ),
    Case(
        said="images too small for the model",
        typed="enqueue study.toml",
        names=("study.toml", "image_size", "Xception", "71"),
        given=a_study(STUDY + '[[job]]\nmodel = "Xception"\nimage_size = [32, 32]\n'),
    ),
    Case(
        said="images of another size than the dataset's",
        typed="enqueue study.toml --set image_size=[96,96]",
        names=("tiny/vgg16", "96x96", "75x75"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a misspelt dataset",
        typed="enqueue study.toml --set dataset=qc-tniy",
        names=("'qc-tniy'", f"'{DATASET}'"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="weights in a .keras file",
        typed="enqueue study.toml --set weights=mine.keras",
        names=("weights", "mine.keras"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a missing weights file",
        typed="enqueue study.toml --set weights=mine.h5",
        names=("tiny/vgg16", "mine.h5"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a weights file and an unknown dataset",
        typed="enqueue study.toml --set weights=mine.h5 --set dataset=other",
        names=("'other'",),
        given=lambda house: (a_study(STUDY + JOB)(house), house.write("mine.h5", b"\x89HDF\r\n\x1a\n")),
    ),
    Case(
        said="other settings under a name that is taken",
        typed="enqueue study.toml --set name=queued --set epochs=9",
        names=("--set", "name"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="a known job with other settings",
        typed="enqueue study.toml",
        names=("tiny/queued", "epochs 3 -> 9"),
        given=a_study(STUDY + JOB + 'name = "queued"\nepochs = 9\n'),
    ),
    Case(
        said="one good study file and one bad",
        typed="enqueue study.toml other.toml",
        names=("other.toml",),
        given=lambda house: (a_study(STUDY + JOB)(house), house.write("other.toml", "study")),
    ),
    Case(
        said="--set without a value",
        typed="enqueue study.toml --set epochs",
        names=("--set", "epochs"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="--set with a misspelt key",
        typed="enqueue study.toml --set epcohs=3",
        names=("--set", "epcohs", "did you mean epochs"),
        given=a_study(STUDY + JOB),
    ),
    Case(
        said="--set with a value that does not fit",
        typed="enqueue study.toml --set epochs=many --dry-run",
        names=("--set", "epochs", "many"),
        given=a_study(STUDY + JOB),
    ),
)

STORES = (
    Case(said="a store of an unknown kind", typed="status --store ftp://example.org/q", names=("ftp://example.org/q",)),
    Case(said="a path for a store", typed="status --store queue", names=("'queue'", "folder:PATH")),
    Case(said="a store without a path", typed="status --store folder:", names=("'folder:'",)),
    Case(said="a store that is not there", typed="status --store folder:elsewhere", names=("elsewhere",), code=4),
    Case(
        said="a job into a store that is not there", typed="enqueue nope.toml --store folder:elsewhere", names=("nope",)
    ),
    Case(
        said="a session in a store that is not there",
        typed="work --store folder:elsewhere",
        names=("elsewhere",),
        code=4,
    ),
    Case(said="a file for a store", typed="init --store folder:qcqueue.toml", names=("qcqueue.toml",)),
    Case(said="a store below a file", typed="init --store folder:qcqueue.toml/queue", names=("qcqueue.toml",), code=4),
    Case(said="a store on a Drive mount", typed="init --store folder:/content/drive/MyDrive/q", names=("Drive",)),
    Case(said="a store in a Dropbox", typed="init --store folder:Dropbox/q", names=("Dropbox",)),
    Case(said="a store in a synced folder, read", typed="status --store folder:OneDrive/q", names=("OneDrive",)),
    Case(said="a store with an endless name", typed=("status", "--store", f"folder:{LONG}"), names=("xxx",)),
    Case(said="a store with a NUL byte in its name", typed=("init", "--store", "folder:a\0b"), names=(r"a\x00b",)),
    Case(said="a store with a line break in its name", typed=("init", "--store", "folder:a\nb"), names=(r"a\nb",)),
    Case(said="a store of an unknown user", typed="status --store folder:~nobody7/q", names=("~nobody7/q",)),
    Case(
        said="a cache that is a file",
        typed="work",
        names=("qcqueue.toml", "cache"),
        environment={"QCQUEUE_CACHE": "qcqueue.toml"},
    ),
    Case(
        said="a store in the environment that is nonsense",
        typed="status",
        names=("'here'", "QCQUEUE_STORE"),
        environment={"QCQUEUE_STORE": "here"},
    ),
    Case(said="settings that are not TOML", typed="status", names=("qcqueue.toml",), given=settings("store = folder")),
    Case(said="settings in Latin-1", typed="why done", names=("qcqueue.toml",), given=settings(b"store = 'f\xfc'")),
    Case(
        said="a setting nobody knows",
        typed="status",
        names=("qcqueue.toml", "'stoer'", "store"),
        given=settings('stoer = "folder:queue"'),
    ),
    Case(
        said="a setting of the wrong kind",
        typed="status",
        names=("qcqueue.toml", "store", "7"),
        given=settings("store = 7"),
    ),
    Case(
        said="a setting with a NUL byte",
        typed="status",
        names=("qcqueue.toml", r"a\x00b"),
        given=settings(r'store = "folder:a\u0000b"'),
    ),
    Case(
        said="a cache with a NUL byte",
        typed="work",
        names=("qcqueue.toml", r"a\x00b"),
        given=settings('store = "folder:queue"\n' r'cache = "a\u0000b"'),
        environment={"QCQUEUE_CACHE": ""},
    ),
    Case(
        said="a text file for a database",
        typed="status",
        names=("queue.sqlite",),
        code=5,
        given=a_file("queue/queue.sqlite", "dear diary\n" * 200),
    ),
    Case(
        said="an empty file for a database",
        typed="status --json",
        names=("queue", "never finished, or all of it is lost"),
        code=5,
        given=a_file("queue/queue.sqlite", ""),
    ),
    Case(said="half a database", typed="show done", names=("queue.sqlite",), code=5, given=half_a_database),
    Case(
        said="a folder for a database", typed="status", names=("queue.sqlite",), code=5, given=a_folder_for_a_database
    ),
    Case(
        said="another program's database",
        typed="hold queued",
        names=("queue.sqlite", "not a qcqueue database"),
        code=5,
        given=another_database("CREATE TABLE recipes (name)"),
    ),
    Case(
        said="making a queue in another program's database",
        typed="init",
        names=("queue.sqlite", "not a qcqueue database"),
        code=5,
        given=another_database("CREATE TABLE recipes (name)"),
    ),
    Case(
        said="a database of a newer qcqueue",
        typed="release held",
        names=("queue.sqlite", "format 99"),
        code=5,
        given=a_database("UPDATE meta SET format = 99"),
    ),
)

IMAGES = (
    Case(said="images that are not there", typed="data add nowhere --name p", names=("nowhere",)),
    Case(said="a text file for a zip", typed="data add qcqueue.toml --name p", names=("qcqueue.toml",)),
    Case(
        said="a zip that writes outside itself",
        typed="data add pictures.zip --name p",
        names=("../../evil.png", "pictures.zip"),
        given=a_zip("../../evil.png", b"x"),
    ),
    Case(
        said="a zip with a link",
        typed="data add pictures.zip --name p",
        names=("good/link.png", "link"),
        given=a_zip("good/link.png", b"/etc/passwd", stat.S_IFLNK | 0o777),
    ),
    Case(
        said="a zip that is a bomb",
        typed="data add pictures.zip --name p",
        names=("pictures.zip", "unpack"),
        given=a_zip("good/bomb.png", bytes(80 << 20)),
    ),
    Case(
        said="a picture that is not one",
        typed="data add pictures --name p",
        names=("good/broken.png",),
        given=a_folder_with("good/broken.png", b"not a picture"),
    ),
    Case(
        said="a link out of the folder",
        typed="data add pictures --name p",
        names=("good/link.png", "link"),
        given=a_link_out_of_the_folder,
    ),
    Case(
        said="classes that differ only in case",
        typed="data add pictures --name p",
        names=("Good", "good"),
        given=a_folder_with("Good/one.png", b"x"),
    ),
    Case(
        said="a CSV of nothing",
        typed="data add labels.csv --name p",
        names=("labels.csv", "file"),
        given=a_file("labels.csv", "a,b\n"),
    ),
    Case(
        said="a CSV that leads out of its folder",
        typed="data add labels.csv --name p",
        names=("labels.csv", "line 2", "../x.png"),
        given=a_file("labels.csv", "file,label\n../x.png,a\n"),
    ),
    Case(
        said="one class only",
        typed="data add pictures/good --name p",
        names=("good",),
        given=pictures,
    ),
    Case(
        said="other images under a name that is taken",
        typed=f"data add pictures --name {DATASET} --image-size 75x75",
        names=(f"'{DATASET}'",),
        given=pictures,
    ),
)

CASES = (*COMMAND_LINE, *VALUES, *JOBS, *STUDIES, *STORES, *IMAGES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.said)
def test_bad_input_gets_a_clear_sentence_and_changes_nothing(
    case: Case, house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    case.given(house)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    before = house.fingerprint()
    code = run(case.arguments)
    out, err = capfd.readouterr()
    check_answer(case, code, out, err)
    assert house.fingerprint() == before


def check_answer(case: Case, code: int, out: str, err: str) -> None:
    assert "Traceback" not in err
    assert code == case.code, err
    assert out == ""
    lines = err.split("\n")
    assert lines.pop() == ""
    assert lines[-1].startswith("next: ")
    hint = lines.pop().removeprefix("next: ")
    assert hint.strip()
    assert hint.split() != ["qcqueue", *case.arguments], "the same again is no way out"
    assert len(lines) == case.sentences, err
    assert lines[0].startswith("qcqueue: ")
    for line in lines:
        assert line.isprintable()
        assert len(line) <= LONGEST_SENTENCE
    for name in case.names:
        assert name in " ".join(lines), f"{name} is not named in: {err}"


def test_a_machine_without_tensorflow_is_told_how_to_get_it(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(working, "can_train", lambda: False)
    code = run(["work"])
    out, err = capfd.readouterr()
    assert (code, err) == (8, "")
    ended, *_, hint = out.splitlines()
    assert ended.endswith(": no job can start here: tiny/queued waits for TensorFlow, which is not installed here")
    assert hint == 'next: pip install "qcqueue[train]", then qcqueue work; or qcqueue work on another machine'
    with house.queue.read() as tx:
        assert {line.name: line.attempts for line in job_lines(tx)}["tiny/queued"] == 0


def test_at_least_forty_cases_have_a_name_of_their_own() -> None:
    assert len({case.said for case in CASES}) == len(CASES) >= 40


# The same door, seen from outside: what a shell hands over, and what really arrives on the two channels.
# One of each exit code, and one whose words are no text; more of them when there is time.
SEEN_FROM_OUTSIDE = ("an unknown command", "a name that is not text", "a text file for a database")
SEEN_TOO = ("an unknown job", "a misspelt model", "settings that are not TOML", "a zip that writes outside itself")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.said, marks=[pytest.mark.long] if case.said in SEEN_TOO else [])
        for case in CASES
        if case.said in SEEN_FROM_OUTSIDE + SEEN_TOO
    ],
)
def test_a_shell_sees_the_same(case: Case, house: House) -> None:
    case.given(house)
    before = house.fingerprint()
    done = subprocess.run(
        [sys.executable, "-m", "qcqueue", *map(os.fsencode, case.arguments)],
        cwd=house.folder,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    check_answer(case, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert house.fingerprint() == before


@pytest.mark.parametrize("command", ["status", "work", "enqueue study.toml", "data list", "show done"])
def test_without_any_settings_every_command_says_how_to_begin(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    assert run(command.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("qcqueue: no store is named")
    assert err.endswith("next: qcqueue init\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [QcqueueError, *_below(QcqueueError)], ids=lambda it: it.__name__)
def test_every_error_has_a_next_step_also_where_none_was_given(error: type[QcqueueError]) -> None:
    raised = error(["a problem"]) if error is SpecInvalid else error()
    assert raised.hint is None
    assert raised.next_step.startswith("qcqueue ")
