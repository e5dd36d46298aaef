"""A model that a person's function builds: trained as Keras trains it, resumed bit for bit, and refused by name."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.code.archive import pack
from qcqueue.engines.base import Assignment, Here
from qcqueue.errors import CorruptionError, ModelRefused, NotReproducible
from tests.engines.own_models import SOURCES
from tests.engines.test_exact_resume import assert_same_end
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = pytest.mark.tensorflow

STEPS = 3
# Random layers, a schedule, clipping, accumulation, weight decay and a regularizer: all that has state, or a moment.
RICH = """
import keras
from keras import layers
from blocks import WIDTH


def build(job):
    images = keras.Input((*job.image_size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomContrast(0.2)(x)
    x = layers.Conv2D(WIDTH, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(job.params["units"], activation="relu", kernel_regularizer="l2")(x)
    model = keras.Model(images, layers.Dense(job.classes, activation="softmax")(x))
    steps = job.steps_per_epoch * job.epochs
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=3e-3, warmup_steps=2)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0, gradient_accumulation_steps=2),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
"""


def an_own_job(folder: Path, files: dict[str, str], dataset_path: Path, **changes: Any) -> Assignment:
    """Return the assignment of a job whose model the function `build` of mine.py makes."""
    forget(folder)
    code = pack({name: text.encode() for name, text in files.items()})
    path = folder / hashlib.sha256(code).hexdigest()
    path.write_bytes(code)
    about = {"model": "mine.py:build", "code_sha256": path.name, "augment": "none", "dropout": 0.0, **changes}
    return replace(an_assignment(dataset_path, spec=a_spec(**about)), code_path=path)


def forget(folder: Path) -> None:
    """Let this process be as fresh as a trainer, which runs one job in its life."""
    sys.path[:] = [place for place in sys.path if not place.startswith(str(folder))]
    for name in ("mine", "blocks"):
        sys.modules.pop(name, None)


@pytest.fixture
def rich(tmp_path: Path, dataset_path: Path, forgotten: None) -> Callable[..., Assignment]:
    files = {"mine.py": RICH, "blocks.py": "WIDTH = 4\n"}
    return lambda **changes: an_own_job(tmp_path, files, dataset_path, params='{"units":5}', **changes)


@pytest.fixture
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test leaves nothing imported; that another process agrees is tried by itself."""
    from qcqueue.engines.keras_tf import two_processes

    monkeypatch.setattr(two_processes, "difference", lambda assignment: "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    forget(tmp_path)


@pytest.mark.parametrize("cut", [2, STEPS + 1])
def test_a_run_that_was_cut_ends_with_the_bits_of_one_that_was_not(cut: int, rich: Callable[..., Assignment]) -> None:
    whole = run(rich(), Memory())
    first = run(rich(), Memory(stop_after=cut))
    assert_same_end(run(replace(rich(), resume_from=Here(first.snapshots[-1])), Memory(best=dict(first.best))), whole)


def test_its_figures_are_those_that_keras_gives(rich: Callable[..., Assignment], dataset_path: Path) -> None:
    """The loss with its regularizer as `evaluate` says it, and the rate that its schedule has come to."""
    from qcqueue.datasets.format import Split
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf.program import build_program

    whole = run(rich(), Memory())
    data = load_data(dataset_path, rich().spec)
    program = build_program(rich(), data)
    program.restore(whole.snapshots[-1].tensors)
    images, labels = data.part(Split.VALIDATION)
    loss, accuracy = program.model.evaluate(images, labels, batch_size=8, verbose=0)
    last = whole.records[-1].history[-1]
    assert last.val_loss == pytest.approx(loss, rel=1e-6)
    assert last.val_accuracy == pytest.approx(accuracy, rel=1e-6)
    assert last.learning_rate == pytest.approx(float(program.optimizer.learning_rate))
    assert len({row.learning_rate for row in whole.records[-1].history}) > 1


def test_it_trains_as_plain_fit_does(rich: Callable[..., Assignment], dataset_path: Path) -> None:
    import keras

    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf.program import build_program

    whole = run(rich(epochs=1), Memory())
    data = load_data(dataset_path, rich().spec)
    plain = build_program(rich(epochs=1), data)
    first = next(data.batches(1, first_step=0))

    class Epoch(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return data.steps

        def __getitem__(self, index: int) -> Any:
            batch = next(data.batches(1, first_step=index))
            return batch.images, batch.labels

    assert len(first.ids)
    plain.model.jit_compile = False
    plain.model.fit(Epoch(), shuffle=False, verbose=0)
    ours = {key: it.tobytes() for key, it in whole.snapshots[-1].tensors.items() if key.startswith("m/")}
    assert {key: it.tobytes() for key, it in plain.model_tensors().items()} == ours


MADE = """
import keras
from keras import layers


def build(job):
    images = keras.Input((*job.image_size, 3), dtype="uint8")
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, layers.Dense({last})(x))
    {compile}
    return {returns}
"""
SOFTMAX, LOGITS = 'job.classes, activation="softmax"', "job.classes"
COMPILE = 'model.compile("adam", "sparse_categorical_crossentropy")'
FROM_LOGITS = 'model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))'


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (MADE.format(last=SOFTMAX, compile="pass", returns="model"), "was not compiled"),
        (MADE.format(last=SOFTMAX, compile=COMPILE, returns="None"), "returns NoneType"),
        (MADE.format(last='7, activation="softmax"', compile=COMPILE, returns="model"), "one number for each of 3"),
        (MADE.format(last=LOGITS, compile=COMPILE, returns="model"), "ends without a softmax"),
        (MADE.format(last=SOFTMAX, compile=FROM_LOGITS, returns="model"), "ends with a softmax, and its loss says"),
        (
            MADE.format(
                last=SOFTMAX,
                compile='model.compile(keras.optimizers.Adam(use_ema=True), "sparse_categorical_crossentropy")',
                returns="model",
            ),
            "use_ema",
        ),
        (
            "import keras\n\n\nclass Own(keras.Model):\n    def train_step(self, data):\n        return {}\n"
            + MADE.replace("keras.Model(", "Own(").format(last=SOFTMAX, compile=COMPILE, returns="model"),
            "train_step of its own",
        ),
        ("def build(job):\n    return job.nothing\n", r"mine.py:2: AttributeError"),
        ("import sys\n\n\ndef build(job):\n    sys.exit(0)\n", r"mine.py:5: SystemExit"),
        ("def other(job):\n    pass\n", "has no function build"),
        ("import no_such_package\n", "cannot be imported: mine.py:1: No module named"),
        (SOURCES["keras.random without a seed"], "keras.random and no seed"),
        (SOURCES["a bare tf.Variable in a layer"], "outside Keras variables"),
    ],
)
def test_what_cannot_be_trained_exactly_is_refused_in_words_before_the_first_step(
    source: str, says: str, tmp_path: Path, dataset_path: Path, forgotten: None
) -> None:
    life = Memory()
    with pytest.raises(ModelRefused, match=says):
        run(an_own_job(tmp_path, {"mine.py": source}, dataset_path), life)
    assert life.snapshots == []


def test_logits_are_trained_too(tmp_path: Path, dataset_path: Path, forgotten: None) -> None:
    source = MADE.format(last=LOGITS, compile=FROM_LOGITS, returns="model")
    life = run(an_own_job(tmp_path, {"mine.py": source}, dataset_path), Memory())
    assert life.predictions["last/test"].sum(axis=1) == pytest.approx(1.0)


def test_code_of_another_digest_never_runs(tmp_path: Path, dataset_path: Path, forgotten: None) -> None:
    ran = tmp_path / "ran"
    order = an_own_job(tmp_path, {"mine.py": "x = 1\n"}, dataset_path)
    assert order.code_path
    order.code_path.write_bytes(pack({"mine.py": f"open({str(ran)!r}, 'w').close()\n".encode()}))
    with pytest.raises(CorruptionError, match="is not that of digest"):
        run(order, Memory())
    assert not ran.exists()


def test_a_file_that_was_edited_since_is_not_what_runs(
    tmp_path: Path, dataset_path: Path, forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("raise ValueError('edited since')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # where `python -m` puts the folder that a session was started in
    source = MADE.format(last=SOFTMAX, compile=COMPILE, returns="model")
    assert run(an_own_job(tmp_path / "..", {"mine.py": source}, dataset_path, epochs=1), Memory()).result


@pytest.mark.parametrize(
    "model", ["deploy.py:build", "../../etc/deploy.py:build", "__hello__.py:main", "json.py:loads"]
)
def test_of_approved_code_no_other_file_is_run(
    model: str, tmp_path: Path, dataset_path: Path, forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue may be anybody's work: an approved digest approves what is in that archive."""
    (tmp_path / "deploy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n\n\ndef build(job):\n    ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelRefused, match="has no file"):
        run(an_own_job(tmp_path, {"mine.py": "x = 1\n"}, dataset_path, model=model), Memory())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["numpy.py", "json.py"])
def test_no_file_of_theirs_stands_before_a_package(
    name: str, tmp_path: Path, dataset_path: Path, forgotten: None
) -> None:
    with pytest.raises(ModelRefused, match="names of packages installed here"):
        run(an_own_job(tmp_path, {"mine.py": RICH, name: ""}, dataset_path), Memory())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tf.random without a seed", r"likely tf\.random without a seed \(RandomStandardNormal\)"),
        pytest.param(
            "chance of numpy's while tracing", "drawn while the model was built or traced", marks=pytest.mark.long
        ),
        pytest.param(
            "a constant of the system's entropy", "drawn while the model was built or traced", marks=pytest.mark.long
        ),
        ("layers in the order of a set", "layers are made in an order that changes"),
        pytest.param("a counter of Python's in a py_function", "a py_function with a counter", marks=pytest.mark.long),
        pytest.param("chance of numpy's in a py_function", "a py_function with a counter", marks=pytest.mark.long),
    ],
)
def test_two_processes_find_what_one_does_not_see_of_itself(
    name: str, says: str, tmp_path: Path, dataset_path: Path
) -> None:
    from qcqueue.engines.keras_tf.two_processes import difference

    order = an_own_job(tmp_path, {"mine.py": SOURCES[name]}, dataset_path)
    found = difference(order)
    assert says.replace("\\", "") in found


@pytest.mark.parametrize(
    "name",
    [
        "nothing of its own",
        pytest.param("a dropout seed of the clock", marks=pytest.mark.long),
        pytest.param("an initializer of the system's entropy", marks=pytest.mark.long),
    ],
)
def test_what_is_in_the_state_is_no_difference(name: str, tmp_path: Path, dataset_path: Path) -> None:
    from qcqueue.engines.keras_tf.two_processes import difference

    assert difference(an_own_job(tmp_path, {"mine.py": SOURCES[name]}, dataset_path)) == ""


def test_on_new_hardware_two_processes_are_asked_before_the_first_step(
    tmp_path: Path, dataset_path: Path, forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.keras_tf import two_processes

    monkeypatch.setattr(two_processes, "difference", lambda assignment: "the loss differs")
    life = Memory()
    with pytest.raises(NotReproducible, match="the loss differs"):
        run(an_own_job(tmp_path, {"mine.py": SOURCES["nothing of its own"]}, dataset_path), life)
    assert life.snapshots == []
