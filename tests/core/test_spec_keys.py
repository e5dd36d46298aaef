"""A key of a study is a field of the spec: it is read, explained, hashed, stored and checked as the field says."""

from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.spec import KEYS, WEIGHTS, JobSpec
from qcqueue.core.study import KNOWN_AS, SETTING_KEYS, parse_study
from qcqueue.errors import SpecInvalid
from tests.support.patched import patched, said_by

SPEC = parse_study('study = "s"\ndataset = "d"\n[[job]]\nmodel = "VGG16"\n', file="s.toml").jobs[0]

# Always written: what every job said before a key could be left out. Nothing is ever added here.
OF_OLD = {
    *("study", "name", "model", "dataset", "epochs", "batch_size", "learning_rate", "optimizer", "image_size"),
    *("weights", "weights_sha256", "trainable", "augment", "dropout", "determinism", "device", "seed"),
    "early_stopping",
}

NEW_KEY = {
    "core/spec.py": (
        "        stored=_stored_deadline,\n    )\n",
        """    label_smoothing: float = key(
        real_number("from 0 up to, but not, 1", lambda x: 0 <= x < 1),
        default=0.0,
        help="how far the targets are moved towards all classes alike",
        also=("smoothing",),
    )
""",
    ),
    "engines/toy.py": (
        "        error[np.arange(count), labels] -= np.float32(1)\n",
        """        smoothed = np.float32(self._spec.label_smoothing)
        error[np.arange(count), labels] += smoothed
        error -= smoothed / np.float32(softmax.shape[1])
""",
    ),
}

WITH_THE_KEY = """
import json
from dataclasses import replace
from pathlib import Path
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import SETTING_KEYS, parse_study
from qcqueue.errors import SpecInvalid
from qcqueue.reports.quantities.caveats import _COMPARED
from tests.engines.worlds import Memory, a_dataset_file, a_spec, an_assignment, run

def read(line, *overrides):
    text = f'study = "s"\\ndataset = "d"\\n[[job]]\\nmodel = "VGG16"\\n{line}\\n'
    try:
        return parse_study(text, file="s.toml", overrides=overrides).jobs[0]
    except SpecInvalid as refused:
        return str(refused)

def stored(value):
    try:
        return JobSpec.from_json(read("").to_json() | {"label_smoothing": value}).label_smoothing
    except ValueError as refused:
        return str(refused)

def trained(**changes):
    spec = a_spec(model="Toy", epochs=1, **changes)
    return run(an_assignment(dataset, spec=spec), Memory()).result.last.weights_sha256

dataset = a_dataset_file(Path())
plain, smooth = read(""), read("label_smoothing = 0.1")
print(json.dumps({
    "plain": plain.to_json(),
    "plain digest": plain.digest,
    "at its default": read("label_smoothing = 0").to_json() == plain.to_json(),
    "adds": {key: value for key, value in smooth.to_json().items() if key not in plain.to_json()},
    "on the command line": read("", "label_smoothing=0.1") == smooth,
    "another job": smooth.digest != plain.digest,
    "comes back": JobSpec.from_json(smooth.to_json()) == smooth,
    "shown": smooth.unusual,
    "refused": [read("label_smoothing = 1"), read("smoothing = 0.1").partition("; ")[2]],
    "stored": [stored(0.2), stored(-1)],
    "help": SETTING_KEYS["label_smoothing"].help,
    "is compared": "label_smoothing" in _COMPARED,
    "is trained with": len({trained(), trained(label_smoothing=0.0), trained(label_smoothing=0.5)}),
}))
"""


def test_a_new_key_is_one_field_and_its_consumer(tmp_path: Path) -> None:
    said = said_by(patched(tmp_path, NEW_KEY), WITH_THE_KEY)
    assert said == {
        "plain": SPEC.to_json(),
        "plain digest": SPEC.digest,
        "at its default": True,
        "adds": {"label_smoothing": 0.1},
        "on the command line": True,
        "another job": True,
        "comes back": True,
        "shown": {"label_smoothing": 0.1},
        "refused": [
            "s.toml:5: label_smoothing: found 1, allowed is a number from 0 up to, but not, 1",
            "did you mean label_smoothing?",
        ],
        "stored": [0.2, "label_smoothing: found -1, allowed is a number from 0 up to, but not, 1"],
        "help": "how far the targets are moved towards all classes alike",
        "is compared": True,
        "is trained with": 2,
    }


def test_a_key_that_was_added_is_left_out_at_its_default_or_every_old_job_has_another_digest() -> None:
    assert {it.name for it in fields(JobSpec) if it.default is MISSING} == OF_OLD == set(SPEC.to_json())
    assert replace(SPEC, lineage="same", deadline_s=1e9).to_json() == SPEC.to_json() | {
        "lineage": "same",
        "deadline_s": 1e9,
    }


@pytest.mark.parametrize("missing", sorted(OF_OLD))
def test_no_stored_job_is_without_a_key_of_old(missing: str) -> None:
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        JobSpec.from_json({key: value for key, value in SPEC.to_json().items() if key != missing})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study", "a\nb"),
        ("name", "a\0"),
        ("model", "\x1b[2J"),
        ("dataset", "\u202e"),
        ("epochs", -1),
        ("epochs", 10_000_001),
        ("batch_size", 10**9),
        ("learning_rate", "fast"),
        ("optimizer", "lion"),
        ("image_size", [0, 75]),
        ("image_size", [75, 65_537]),
        ("image_size", [75]),
        ("weights", "mine.h5"),
        ("trainable", "some"),
        ("augment", "qcqueue.engines.batches:flips"),
        ("dropout", 1.5),
        ("determinism", "almost"),
        ("device", "tpu"),
        ("seed", 1 << 54),
        ("early_stopping", -1),
        ("lineage", "other"),
        ("step", "fastest"),
        ("precision", "float16"),
        ("tf32", 1),
        ("deadline_s", 1e13),
        ("zebra", 1),
    ],
)
def test_what_no_study_could_say_and_nobody_could_train_is_refused_where_it_was_stored(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        JobSpec.from_json(SPEC.to_json() | {key: value})


@pytest.mark.parametrize("change", [{"epochs": 200_000}, {"image_size": [4096, 4096]}, {"model": "Later7"}])
def test_what_a_later_version_may_allow_is_read(change: dict[str, Any]) -> None:
    assert JobSpec.from_json(SPEC.to_json() | change).to_json() == SPEC.to_json() | change


@pytest.mark.parametrize("name", SETTING_KEYS)
def test_the_default_of_a_key_can_be_stored(name: str) -> None:
    assert SETTING_KEYS[name].stored(SETTING_KEYS[name].default) == SETTING_KEYS[name].default


def test_how_a_step_is_computed_is_said_only_where_somebody_chose_it() -> None:
    def read(*lines: str) -> JobSpec:
        text = "\n".join(['study = "s"', 'dataset = "d"', "[[job]]", 'model = "VGG16"', *lines])
        return parse_study(text, file="s.toml").jobs[0]

    assert read('step = "auto"', 'precision = "float32"', "tf32 = true") == SPEC
    chosen: dict[str, Any] = {"step": "xla", "precision": "mixed_float16", "tf32": False}
    said = read('step = "xla"', 'precision = "mixed_float16"', "tf32 = false")
    assert said.to_json() == SPEC.to_json() | chosen
    assert len({SPEC.digest, *(replace(SPEC, **{key: it}).digest for key, it in chosen.items())}) == 4
    with pytest.raises(SpecInvalid, match='tf32: found "true", allowed is true or false, without quotes'):
        read('tf32 = "true"')


def test_every_key_is_explained_on_one_line_and_no_habit_means_two() -> None:
    assert all(it.help and it.help.isprintable() for it in KEYS.values())
    assert len(KNOWN_AS) == sum(len(it.also) for it in KEYS.values())
    assert not KNOWN_AS.keys() & KEYS.keys()
    assert all(KEYS[name].field == name for name in SETTING_KEYS if name != "deadline")


def test_a_weights_file_is_an_attachment_of_its_job() -> None:
    assert SPEC.attachments == {}
    assert replace(SPEC, weights="file", weights_sha256="a" * 64).attachments == {WEIGHTS: "a" * 64}
