"""Every engine of the table keeps the contract, and the toy does what it is asked to."""

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from qcqueue.catalog.models import KNOWN_MODELS, MODELS, engine_name
from qcqueue.conformance.engines import EPOCHS, STEPS, EngineContract, lived, undisturbed
from qcqueue.conformance.sinks import RecordingSink
from qcqueue.core.spec import JobSpec
from qcqueue.engines.registry import ENGINES, engine_named
from qcqueue.engines.toy import VARIABLE, Demands, demands_of
from qcqueue.errors import DriverFailed, NotFinite, OutOfMemory, QcqueueError, SettingInvalid
from tests.engines.worlds import a_spec

TRIED_WITH = {"keras_tf": "VGG16", "toy": "Toy"}
TENSORFLOW = {"keras_tf"}

A_FEW_CUTS = (2, STEPS, EPOCHS * STEPS)
"""Within an epoch, at its end, and at the end of all."""


def marks_of(engine: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.tensorflow] if engine in TENSORFLOW else []


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param((name, "auto"), id=name, marks=marks_of(name)) for name in ENGINES),
        *(
            pytest.param(("keras_tf", step), id=f"keras_tf-{step}", marks=[*marks_of("keras_tf"), pytest.mark.long])
            for step in ("fused", "xla")
        ),
    ],
)
def spec(request: pytest.FixtureRequest) -> JobSpec:
    engine, step = request.param
    if engine in TENSORFLOW:
        request.getfixturevalue("small_models")
    return a_spec(model=TRIED_WITH[engine], step=step)


@pytest.fixture(scope="module")
def whole(spec: JobSpec, dataset_path: Path) -> RecordingSink:
    return undisturbed(spec, dataset_path)


def is_slow(spec: JobSpec, config: pytest.Config) -> bool:
    return engine_name(spec.model) in TENSORFLOW and not config.getoption("--long")


class TestEngines(EngineContract):
    @pytest.fixture
    def cuts(self, spec: JobSpec, pytestconfig: pytest.Config) -> Collection[int]:
        return A_FEW_CUTS if is_slow(spec, pytestconfig) else range(1, EPOCHS * STEPS + 1)

    @pytest.fixture
    def steps_a_life(self, spec: JobSpec, pytestconfig: pytest.Config) -> int:
        return 2 if is_slow(spec, pytestconfig) else 1


def test_every_model_names_an_engine_of_the_table() -> None:
    assert {engine_name(model) for model in KNOWN_MODELS} == ENGINES.keys() == TRIED_WITH.keys()
    assert engine_name("a model of a later version") == "keras_tf"
    for name in ENGINES:
        assert engine_named(name) is engine_named(name)


def test_to_train_the_toy_imports_no_framework(dataset_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.engines.worlds import Memory, a_spec, an_assignment, run\n"
        f"memory = run(an_assignment(Path({str(dataset_path)!r}), spec=a_spec(model='Toy')), Memory())\n"
        "assert memory.result\n"
        "print({'tensorflow', 'keras', 'sklearn', 'scipy', 'h5py'} & {*sys.modules})"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


@pytest.mark.parametrize(
    ("demand", "error"),
    [("nan=5", NotFinite), ("memory=5", OutOfMemory), ("driver=5", DriverFailed), ("bug=5", KeyError)],
)
def test_the_toy_fails_at_the_step_it_is_asked_to_however_often_it_was_cut(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch, demand: str, error: type[Exception]
) -> None:
    spec = a_spec(model="Toy")
    before = lived(spec, dataset_path, RecordingSink(stop_after=3))
    monkeypatch.setenv(VARIABLE, demand)
    life = RecordingSink(when=lambda epoch, step, steps: True)
    with pytest.raises(error):
        lived(spec, dataset_path, life)
    assert life.snapshots[-1].record.epochs_done * 3 + life.snapshots[-1].record.partial.steps_done == 4
    assert before.snapshots


def test_a_step_of_the_toy_that_differs_is_found_by_the_rehearsal(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "differs=1")
    with pytest.raises(QcqueueError, match="differed, the first was the loss of step 1"):
        lived(a_spec(model="Toy"), dataset_path, RecordingSink())


def test_what_the_toy_is_asked_is_read_or_refused() -> None:
    assert demands_of("") == Demands()
    assert demands_of("step_s=0.5,nan=3") == Demands(step_s=0.5, nan=3)
    for text in ("nan", "nan=x", "speed=3", "nan=-1", "step_s=nan", "step_s=1e99", "nan=1.5", "__class__=1"):
        with pytest.raises(SettingInvalid, match=VARIABLE):
            demands_of(text)


def test_the_toy_is_offered_in_no_list() -> None:
    assert "Toy" not in MODELS
