"""What is handed to an engine: it runs sessions, asks them to leave in time, and starts again what would go on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import kubernetes_validate
import pytest

from qcqueue.app.settings import load_settings
from qcqueue.errors import SettingInvalid
from qcqueue.launchers.base import Launch, environment_of_sessions, in_a_shell, launch_of
from qcqueue.launchers.kubernetes import manifest
from qcqueue.launchers.slurm import check_time, script, seconds_of
from qcqueue.providers.slurm import end_in
from tests.cli.queues import House
from tests.end_to_end.machines import a_house, command, environment_of, wait_until
from tests.launchers.cluster import free_ports
from tests.launchers.labs import a_lab

ONE = Launch(sessions=3, gpus=1, environment={"QCQUEUE_STORE": "shared:/data/my queue's"})

# Stands for a session: it says that it is there, and on SIGTERM saves for a moment and leaves.
SESSION = """\
import pathlib, signal, sys, time
def leave(number, frame):
    time.sleep(0.5)
    pathlib.Path("saved").touch()
    sys.exit(20)
signal.signal(signal.SIGTERM, leave)
pathlib.Path("began").write_text(" ".join(sys.argv[1:]))
time.sleep(60)
"""
ENDS = "import sys; sys.exit({code})"
SCONTROL = """\
#!/bin/sh
echo "$@" >> asked
[ "$1" = show ] && echo "   JobState={state} Reason=None"
exit 0
"""


def as_program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture(params=["sh", "bash"])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.racing
def test_a_session_in_a_shell_is_asked_to_leave_and_waited_for(shell: str, tmp_path: Path) -> None:
    lines = in_a_shell(ONE, as_program(SESSION)) + 'exit "$code"\n'
    process = subprocess.Popen([shell, "-c", lines], cwd=tmp_path)
    wait_until((tmp_path / "began").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 20
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "began").read_text() == "work --jobs 1000"


@pytest.mark.parametrize("code", [0, 3, 20, 137])
def test_a_session_that_ends_by_itself_ends_the_shell_with_its_code(shell: str, code: int, tmp_path: Path) -> None:
    lines = in_a_shell(ONE, as_program(ENDS.format(code=code))) + 'exit "$code"\n'
    assert subprocess.run([shell, "-c", lines], cwd=tmp_path, check=False).returncode == code


def ran(folder: Path, code: int, *, state: str) -> tuple[int, list[str]]:
    """Run a batch script whose session ends with a code, where Slurm says this of its task; return what it asked."""
    (folder / "scontrol").write_text(SCONTROL.format(state=state))
    (folder / "scontrol").chmod(0o755)
    (folder / "python").write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / "python").chmod(0o755)
    text = script(ONE, python=str(folder / "python"), cache=PurePosixPath("/no where"), time="60", partition=None)
    known = {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=known, check=False)
    asked = folder / "asked"
    return done.returncode, asked.read_text().splitlines() if asked.exists() else []


def test_a_task_is_put_back_where_its_session_would_go_on(tmp_path: Path) -> None:
    assert ran(tmp_path, 20, state="RUNNING") == (20, ["show job 7_2", "requeue 7_2"])


def test_a_task_that_was_cancelled_is_not_put_back(tmp_path: Path) -> None:
    assert ran(tmp_path, 20, state="COMPLETING") == (20, ["show job 7_2"])


@pytest.mark.parametrize(("code", "ends_with"), [(0, 0), (7, 0), (3, 3), (4, 4), (8, 8), (130, 130)])
def test_no_other_end_puts_a_task_back(code: int, ends_with: int, tmp_path: Path) -> None:
    assert ran(tmp_path, code, state="RUNNING") == (ends_with, [])


def test_a_script_says_what_was_asked_for() -> None:
    text = script(ONE, python="/opt/a b/python", cache=PurePosixPath("/home/ada/cache"), time="1-0", partition="gpu")
    options = [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]
    assert options == [
        "--job-name=qcqueue",
        "--array=1-3",
        "--time=1-0",
        "--gres=gpu:1",
        "--partition=gpu",
        "--requeue",
        "--signal=B:TERM@180",
        "--open-mode=append",
        "--output=qcqueue-%A_%a.log",
    ]
    assert "\n'/opt/a b/python' -m qcqueue work --jobs 1000 &\n" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_without_gpus_none_are_asked_for_and_with_several_each_has_a_session() -> None:
    def text(gpus: int) -> str:
        launch = Launch(sessions=1, gpus=gpus, environment={})
        return script(launch, python="python", cache=PurePosixPath("/c"), time="60", partition=None)

    assert "gres" not in text(0)
    assert "--gres=gpu:4\n" in text(4)
    assert " work --jobs 1000 --per-gpu &" in text(4)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("4:00:00", 14400),
        ("1-0", 86400),
        ("2-12:30", 217800),
        ("1-2:3:4", 93784),
        (" 5 ", 300),
    ],
)
def test_times_are_read_as_slurm_reads_them(time: str, seconds: float) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("time", ["", "x", "4h", "1:2:3:4", "1:60", "-5", "1-", "5\n#SBATCH --wrap", "1 2", "٣"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(SettingInvalid, match="is no time limit of Slurm"):
        seconds_of(time)


def test_a_time_too_short_to_save_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(SettingInvalid, match="too short to save anything") as refused:
        check_time("5", begins_s=100.0)
    assert refused.value.hint == "--time 6, or more"
    check_time("6", begins_s=100.0)


@pytest.mark.parametrize(
    ("said", "ends_s"),
    [
        (b"JobId=7 JobName=x\n   StartTime=2026-11-30T22:00:00 EndTime=2026-11-30T22:14:56 Deadline=N/A\n", 1796076896),
        (b"   EndTime=Unknown Deadline=N/A", None),
        (b"   EndTime=2026-13-30T22:14:56", None),
        (b"", None),
        (b"\xff\x00EndTime=", None),
    ],
)
def test_the_end_of_a_job_is_read_where_slurm_says_it(said: bytes, ends_s: float | None) -> None:
    assert end_in(said) == ends_s


def test_a_manifest_starts_pods_anew_that_would_go_on() -> None:
    job = json.loads(manifest(ONE, image="lab/qcqueue:1"))
    assert (job["spec"]["parallelism"], job["spec"]["completions"]) == (3, 3)
    (ignored, _) = job["spec"]["podFailurePolicy"]["rules"]
    assert ignored == {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [20]}}
    (pod,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "QCQUEUE_STORE", "value": ONE.environment["QCQUEUE_STORE"]} in pod["env"]
    assert pod["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    assert pod["command"][:2] == ["/bin/sh", "-c"]
    assert subprocess.run(["sh", "-n"], input=pod["command"][2], text=True, check=False).returncode == 0


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_a_manifest_fits_the_schema_of_kubernetes(gpus: int, version: str) -> None:
    job = json.loads(manifest(Launch(sessions=2, gpus=gpus, environment={"A": "b"}), image="lab/qcqueue:1"))
    kubernetes_validate.validate(job, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job | {"spec": job["spec"] | {"paralelism": 2}}, version, strict=True)


def test_sessions_elsewhere_have_the_settings_of_this_folder_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(
        store="s3://bucket/queue",
        folder=tmp_path,
        environment={
            "QCQUEUE_CACHE": str(tmp_path / "cache"),
            "QCQUEUE_DATABASE": "postgresql://ada:a-secret@db/queue",
            "QCQUEUE_OWNER": "ada",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "https://minio.example.org",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
        },
    )
    given = {"QCQUEUE_TOKEN": "of-drive", "AWS_SECRET_ACCESS_KEY": "a-secret", "HOME": "/home/ada"}
    assert environment_of_sessions(settings, given) == {
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "HOME": "/home/ada",
        "PGPASSWORD": "a-secret",
    }
    assert launch_of(settings, sessions=1, gpus=1).environment == {
        "QCQUEUE_STORE": "s3://bucket/queue",
        "QCQUEUE_DATABASE": "postgresql://ada@db/queue",
        "QCQUEUE_OWNER": "ada",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_S3": "https://minio.example.org",
    }


@pytest.fixture
def lab(tmp_path: Path) -> House:
    return a_lab(tmp_path / "lab", epochs=2, jobs=1)


def in_a_lab(house: House, *words: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = environment_of(house)
    return command(house, "launch", *words, environment={**environment, **({"PATH": path} if path else {})})


def with_sbatch(lab: House, text: str) -> str:
    """Put a program `sbatch` before all others; return the path on which it is found."""
    programs = lab.folder / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text(text)
    (programs / "sbatch").chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


def test_an_array_is_handed_to_slurm(lab: House) -> None:
    path = with_sbatch(lab, '#!/bin/sh\necho "$@" > given\ncat > handed\necho 4711\n')
    done = in_a_lab(lab, "slurm", "--sessions", "2", "--time", "4:00:00", path=path)
    assert done.returncode == 0, done.stderr
    assert "submitted: 2 sessions as array 4711" in done.stdout
    assert done.stdout.endswith("next: qcqueue status\n")
    assert (lab.folder / "given").read_text() == "--parsable\n"
    printed = in_a_lab(lab, "slurm", "--sessions", "2", "--time", "4:00:00", "--print")
    assert printed.stdout == (lab.folder / "handed").read_text()
    assert f"export QCQUEUE_STORE=shared:{lab.folder}/queue\n" in printed.stdout


def test_without_slurm_it_is_said_where_to_type_it(lab: House) -> None:
    done = in_a_lab(lab, "slurm", "--sessions", "2", "--time", "60", path=str(lab.folder))
    assert done.returncode == 2
    assert "there is no sbatch here" in done.stderr


def test_what_slurm_refuses_is_said_in_its_words(lab: House) -> None:
    path = with_sbatch(lab, "#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2\nexit 1\n")
    done = in_a_lab(lab, "slurm", "--sessions", "2", "--time", "60", path=path)
    assert done.returncode == 4
    assert "qcqueue: Slurm did not take it: invalid partition specified: x" in done.stderr


def test_a_cluster_without_gpus_is_told_how_to_ask_for_none(lab: House) -> None:
    path = with_sbatch(lab, "#!/bin/sh\necho 'Invalid generic resource (gres) specification' >&2\nexit 1\n")
    done = in_a_lab(lab, "slurm", "--sessions", "2", "--time", "60", path=path)
    assert done.returncode == 4
    assert "the same with --gpus 0" in done.stderr


def test_a_ray_cluster_that_nobody_answers_for_is_refused_at_once(lab: House) -> None:
    (port,) = free_ports(1)
    done = in_a_lab(lab, "ray", "--sessions", "2", "--address", f"127.0.0.1:{port}")
    assert done.returncode == 4
    assert f"there is no Ray cluster at 127.0.0.1:{port}" in done.stderr


def test_a_manifest_for_a_shared_disk_says_that_a_volume_is_missing(lab: House) -> None:
    done = in_a_lab(lab, "kubernetes", "--sessions", "2", "--image", "lab/qcqueue:1", "--print")
    assert done.returncode == 0
    assert f"its pods must find {lab.folder}/queue: add a volume for it" in done.stderr
    json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("slurm --sessions 2 --time 4", "--time 4 is too short to save anything"),
        ("slurm --sessions 2 --time soon", "--time 'soon' is no time limit of Slurm"),
        ("slurm --sessions 0 --time 60", "--sessions is 0 and not 1 to 1000"),
        ("slurm --sessions 2 --time 60 --gpus -1", "--gpus is -1 and not 0 to 1000"),
        ("slurm --sessions 2 --time 60 --partition a$b", "can be no partition of Slurm"),
        ("kubernetes --sessions 2 --image x", "qcqueue does not talk to Kubernetes itself"),
        ("kubernetes --sessions 2 --print --image", "--image '' can be no image of a container"),
        ("ray --sessions 2", "Ray is not installed here"),
    ],
)
def test_what_cannot_be_started_is_refused(lab: House, words: str, said: str) -> None:
    typed = words.split() + ([""] if words.endswith("--image") else [])
    done = in_a_lab(lab, *typed, path="/usr/bin:/bin" if "ray" in words else "")
    assert done.returncode == 2
    assert said in done.stderr
    assert "next: " in done.stderr


def test_a_queue_of_one_machine_is_for_no_cluster(tmp_path: Path) -> None:
    house = a_house(tmp_path, "")
    for words in ("slurm --time 60", "kubernetes --image x --print", "ray --address 10.0.0.1:6379"):
        done = in_a_lab(house, *words.split(), "--sessions", "2")
        assert (done.returncode, "no other one reaches it" in done.stderr) == (2, True), done.stderr
