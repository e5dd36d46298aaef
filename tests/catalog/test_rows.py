"""A new optimizer, Keras model or augmentation is one row: everybody who must know of it asks the catalogue."""

from pathlib import Path

import pytest

from qcqueue.catalog.augmentations import AUGMENTATIONS
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.core.space_forecast import need_of
from qcqueue.engines.batches import TrainingData
from tests.engines.worlds import a_dataset, a_spec
from tests.support.patched import patched, said_by

OPTIMIZER = {
    "catalog/optimizers.py": (
        "OPTIMIZERS: Mapping[str, OptimizerRow] = {",
        '\n    "nadam": OptimizerRow(keras="Nadam", slots=2),',
    )
}
MODEL = {
    "catalog/keras_models.py": (
        'TABLE = """\\\n',
        "SmallNet smallnet 32 3228864 3206976 1024 - - 128,160,192,224 nets/smallnet_{}_no_top.h5\n",
    )
}
AUGMENTATION = {
    "catalog/augmentations.py": (
        "AUGMENTATIONS: Mapping[str, AugmentRow] = {",
        '\n    "negative": AugmentRow(apply="qcqueue.engines.batches:negative"),',
    ),
    "engines/batches.py": (
        "_FLIPS = 2\n",
        """

def negative(images: Images, *, seed: int, epoch: int, ids: Integers) -> Images:
    return 255 - images
""",
    ),
}

STUDY = 'study = "s"\\ndataset = "d"\\n[[job]]\\nmodel = "VGG16"\\n'

WITH_THE_OPTIMIZER = f"""
import json, sys
from pathlib import Path
from qcqueue.core.space_forecast import need_of
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import SETTING_KEYS, parse_study
from qcqueue.errors import SpecInvalid
from tests.engines.worlds import Memory, a_dataset_file, a_spec, an_assignment, run

(job,) = parse_study('{STUDY}optimizer = "nadam"\\n', file="s.toml").jobs
try:
    parse_study('{STUDY}optimizer = "nadma"\\n', file="s.toml")
except SpecInvalid as refused:
    problem = str(refused)
spec = a_spec(model="Toy", optimizer="nadam", epochs=1)
memory = run(an_assignment(a_dataset_file(Path()), spec=spec), Memory())
print(json.dumps({{
    "comes back": JobSpec.from_json(job.to_json()) == job,
    "refused": problem,
    "help": SETTING_KEYS["optimizer"].help,
    "bytes": need_of(a_spec(optimizer="nadam"), classes=3).own_bytes,
    "trained": memory.result is not None,
}}))
"""

WITH_THE_MODEL = """
import json
from qcqueue.catalog.models import engine_name, imagenet_file
from qcqueue.core.space_forecast import need_of
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import parse_study
from qcqueue.errors import SpecInvalid

text = 'study = "s"\\ndataset = "d"\\n[[job]]\\nmodel = "{}"\\nimage_size = [{}, {}]\\n'
(job,) = parse_study(text.format("SmallNet", 32, 32), file="s.toml").jobs
problems = []
for written in (text.format("smallnet", 32, 32), text.format("SmallNet", 31, 31)):
    try:
        parse_study(written, file="s.toml")
    except SpecInvalid as refused:
        problems.append(str(refused))
print(json.dumps({
    "name": job.name,
    "comes back": JobSpec.from_json(job.to_json()) == job,
    "refused": problems,
    "engine": engine_name(job.model),
    "bytes": need_of(job, classes=3).own_bytes,
    "weights": imagenet_file("SmallNet", (128, 128)).path,
}))
"""

WITH_THE_AUGMENTATION = """
import json
import numpy as np
from qcqueue.engines.batches import TrainingData
from tests.engines.worlds import a_dataset, a_spec

dataset = a_dataset()
(plain, *_), (other, *_) = (
    TrainingData(dataset, a_spec(augment=name)).batches(1, first_step=0) for name in ("none", "negative")
)
print(json.dumps(bool(np.array_equal(plain.images, 255 - other.images))))
"""

IN_KERAS = """
import json
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.engines.keras_tf.models import build_model, build_optimizer
from tests.engines.worlds import a_spec

spec = a_spec(model="MobileNet", dropout=0.0)
model = build_model(spec, classes=3, weights_path=None, fresh=True)
slots = {}
for name in OPTIMIZERS:
    optimizer = build_optimizer(a_spec(optimizer=name), model)
    kept = sum(variable.value.shape.num_elements() for variable in optimizer.variables if len(variable.shape))
    slots[name] = kept / sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
print(json.dumps(slots))
"""


def test_an_optimizer_is_one_row(tmp_path: Path) -> None:
    said = said_by(patched(tmp_path, OPTIMIZER), WITH_THE_OPTIMIZER)
    assert said == {
        "comes back": True,
        "refused": 's.toml:5: optimizer: found "nadma", allowed is one of "nadam", "adam", "sgd", "rmsprop"; '
        'did you mean "nadam"?',
        "help": '"nadam", "adam", "sgd" (without momentum) or "rmsprop"',
        "bytes": need_of(a_spec(optimizer="adam"), classes=3).own_bytes,
        "trained": True,
    }


def test_a_keras_model_is_one_line(tmp_path: Path) -> None:
    said = said_by(patched(tmp_path, MODEL), WITH_THE_MODEL)
    wrong_name, too_small = said.pop("refused")
    assert 'did you mean "SmallNet"?' in wrong_name
    assert "allowed for SmallNet is at least [32, 32]" in too_small
    head = 3 * (1024 + 1)
    parameters, moved = 3_228_864 + head, 3_206_976 + head
    assert said == {
        "name": "smallnet",
        "comes back": True,
        "engine": "keras_tf",
        "bytes": 4 * (3 * parameters + 2 * 2 * moved) + 2 * 100_000,
        "weights": "nets/smallnet_128_no_top.h5",
    }


def test_an_augmentation_is_one_row_and_its_function(tmp_path: Path) -> None:
    assert said_by(patched(tmp_path, AUGMENTATION), WITH_THE_AUGMENTATION) is True


@pytest.mark.tensorflow
@pytest.mark.long
def test_keras_has_the_optimizer_that_a_row_names_and_finds_as_many_slots(tmp_path: Path) -> None:
    said = said_by(patched(tmp_path, OPTIMIZER), IN_KERAS)
    assert said == {"nadam": 2} | {name: row.slots for name, row in OPTIMIZERS.items()}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_an_augmentation_makes_of_a_sample_does_not_depend_on_the_others(name: str) -> None:
    """Then it does not depend either on where a run was cut, or on how large its batches are."""
    dataset = a_dataset()
    before = dataset.images.copy()
    alone = {
        int(batch.ids[0]): batch.images[0].tobytes()
        for batch in TrainingData(dataset, a_spec(augment=name, batch_size=1)).batches(2, first_step=0)
    }
    for batch in TrainingData(dataset, a_spec(augment=name)).batches(2, first_step=0):
        assert batch.images.dtype == before.dtype
        assert {
            int(it): image.tobytes() for it, image in zip(batch.ids, batch.images, strict=True)
        }.items() <= alone.items()
    assert (dataset.images == before).all()
