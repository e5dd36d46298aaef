"""The families of `keras.applications`, and one life of a model of theirs in a process of its own.

`python -m tests.engines.families MODEL FOLDER` trains for two epochs of three steps on a few images, and goes on where
a process before it has saved in FOLDER. It leaves there the state after the second step, where it began itself, and
prints digests of its end as JSON. A model that is another graph with ImageNet weights has some, which are made up.
"""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from qcqueue.catalog.models import MODELS, imagenet_file
from qcqueue.core.records import Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from tests.engines.worlds import Memory, a_dataset, a_dataset_file, a_spec, an_assignment, run

ROOT = Path(__file__).parents[2]
THREADS = 2  # as `an_assignment` has them
COUNTS = {Split.TRAIN: 5, Split.VALIDATION: 2, Split.TEST: 2}
NORMALIZED = ([0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2], 0)
"""Mean, variance and count, as those of ImageNet are."""


def smallest_of_each() -> Mapping[str, str]:
    """Return the model with the fewest parameters of each family, by the module that holds the family."""
    by_size = sorted(MODELS, key=lambda name: MODELS[name].base_parameters, reverse=True)
    return {MODELS[name].module: name for name in by_size}


def spec_of(model: str, **changes: Any) -> JobSpec:
    """Return a job of six steps at the smallest size of a model."""
    facts = MODELS[model]
    about = {"image_size": (facts.minimum_side_px,) * 2, "batch_size": 2, "epochs": 2}
    return a_spec(model=model, weights="imagenet" if facts.imagenet_scale else "none", **about, **changes)


def with_made_up_weights(model: str, folder: Path) -> None:
    """Let this process have ImageNet weights of a model in a folder: a file as Keras publishes them, made here.

    Call it before Keras is imported, which looks up once where its files are.
    """
    os.environ["KERAS_HOME"] = str(folder)
    import h5py
    import keras
    import numpy as np
    import tensorflow as tf
    from keras.src.applications import efficientnet
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    from qcqueue.engines.keras_tf import weights

    # A process cannot change them once it has computed something.
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    asked = imagenet_file(model, spec_of(model).image_size)
    path = folder / "models" / asked.name
    if not path.exists():
        path.parent.mkdir()
        keras.utils.set_random_seed(3)
        create = getattr(keras.applications, model)
        base = create(include_top=False, weights=None, input_shape=(*spec_of(model).image_size, 3), pooling="avg")
        [layer] = [layer for layer in base.layers if isinstance(layer, keras.layers.Normalization)]
        layer.set_weights([np.array(value) for value in NORMALIZED])
        with h5py.File(path, "w") as file:
            save_weights_to_hdf5_group(file, base)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    key = model.removeprefix("EfficientNet").lower()
    efficientnet.WEIGHTS_HASHES[key] = (efficientnet.WEIGHTS_HASHES[key][0], digest)
    weights.imagenet_file = lambda *about: replace(imagenet_file(*about), digest=digest)  # type: ignore[attr-defined]


def a_life(model: str, folder: Path) -> dict[str, Any]:
    """Return what the run of a model came to."""
    spec, saved = spec_of(model), folder / "saved"
    if spec.weights == "imagenet":
        with_made_up_weights(model, folder)
    path = a_dataset_file(folder, a_dataset(side_px=spec.image_size[0], counts=COUNTS))
    if saved.exists():
        before = pickle.loads(saved.read_bytes())
        life = run(an_assignment(path, spec=spec, resume_from=before), Memory())
    else:
        life = run(an_assignment(path, spec=spec), Memory(when=lambda epoch, step, _: (epoch, step) == (1, 2)))
        saved.write_bytes(pickle.dumps(life.snapshots[0]))
    assert life.result is not None
    end = {
        "result": life.result.to_json(),
        "history": [asdict(row) for row in life.records[-1].history],
        "state": _digest(life.snapshots[-1].tensors),
        "predictions": _digest(life.predictions),
    }
    return {"rehearsed": [it.differs for it in life.rehearsals], "end": end}


def in_a_process(model: str, folder: Path) -> dict[str, Any]:
    """Return what `a_life` does, from a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.engines.families", model, str(folder)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-4000:]
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def _digest(tensors: Tensors) -> str:
    """Return one digest of all bits."""
    found = hashlib.sha256()
    for key, value in sorted(tensors.items()):
        found.update(f"{key} {value.dtype} {value.shape}".encode())
        found.update(value.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    print(json.dumps(a_life(sys.argv[1], Path(sys.argv[2]))))
