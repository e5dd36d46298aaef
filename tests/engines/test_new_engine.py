"""A new engine is one file and one row: neither the loop of epochs nor who asks for a run knows of it."""

from pathlib import Path

from tests.support.patched import patched, said_by

# Beside them a model for it, as a row of the catalogue.
ROWS = {
    "engines/registry.py": (
        "ENGINES: Mapping[str, str] = {\n",
        '    "colours": "qcqueue.engines.colours:ENGINE",\n',
    ),
    "catalog/models.py": (
        "KNOWN_MODELS: Mapping[str, ModelFacts] = {",
        '"Colours": ModelFacts(engine="colours", minimum_side_px=1, base_parameters=0, base_trainable=0, features=3), ',
    ),
}

FILE = '''"""A classifier by the mean colour of an image: one matrix, moved by plain gradient steps."""

import numpy as np

from qcqueue.core.records import Identity
from qcqueue.engines import loop
from qcqueue.engines.base import PendingStep
from qcqueue.engines.metrics import Predictions
from qcqueue.errors import CheckpointDamaged, NotFinite


class Engine:
    def load(self):
        """Everything is here already."""

    def pretrained(self, file, *, given, may_download, clock):
        """Nobody has published any weights."""

    def run(self, assignment, sink, clock):
        yield from loop.run(assignment, lambda data: Program(assignment, len(data.classes)), sink, clock)


class Program:
    calls_ahead = 0
    fixed = frozenset()

    def __init__(self, assignment, classes):
        self.learning_rate = assignment.spec.learning_rate
        self._rate = np.float32(assignment.spec.learning_rate)
        self._weights = np.zeros((3, classes), np.float32)
        self.parameters = self.trainable_parameters = 3 * classes
        self.identity = Identity(
            processor="any", instruction_set="any", threads=1, deterministic=True, python="3",
            framework="colours", framework_version="1", numpy=np.__version__,
        )

    def warm_up(self):
        yield

    def steps_a_call(self, step_s):
        return 1

    def train(self, batches):
        return [self._step(batch) for batch in batches]

    def _step(self, batch):
        logits, softmax = self._answer(batch.images)
        rows = np.arange(len(batch.labels))
        loss = -np.log(softmax[rows, batch.labels] + np.float32(1e-7)).mean()
        correct = int((softmax.argmax(axis=1) == batch.labels).sum())
        softmax[rows, batch.labels] -= 1
        self._weights -= self._rate * (_mean_colours(batch.images).T @ softmax) / np.float32(len(rows))
        return PendingStep(loss=float(loss), correct=correct)

    def predict(self, images, *, batch_size, labels=None):
        logits, softmax = self._answer(images)
        return Predictions(softmax=softmax, logits=logits)

    def tensors(self):
        return {"m/00000": self._weights.copy()}

    model_tensors = tensors

    def paths(self):
        return {"m/00000": "weights"}

    def restore(self, tensors, *, model_only=False):
        found = tensors.get("m/00000")
        if tensors.keys() != {"m/00000"} or found.shape != self._weights.shape or found.dtype != np.float32:
            raise CheckpointDamaged("no weights of these colours")
        self._weights = found.copy()

    def _answer(self, images):
        logits = _mean_colours(images) @ self._weights
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits, raised / raised.sum(axis=1, keepdims=True)


def _mean_colours(images):
    return images.mean(axis=(1, 2), dtype=np.float32) / np.float32(255)


ENGINE = Engine()
'''

IN_LIVES_OF_ONE_STEP = """
import json
from dataclasses import replace
from pathlib import Path
from qcqueue.conformance.engines import bits_of, lived, undisturbed
from qcqueue.conformance.sinks import RecordingSink
from qcqueue.engines.base import Here
from tests.engines.worlds import a_dataset_file, a_spec

spec, dataset = a_spec(model="Colours", dropout=0.0), a_dataset_file(Path())
whole = undisturbed(spec, dataset)
snapshot, best, lives = None, {}, 0
while True:
    resumed = Here(snapshot) if snapshot else None
    life = lived(spec, dataset, RecordingSink(stop_after=1, best=best), resume_from=resumed)
    snapshot, best, lives = life.snapshots[-1], life.best, lives + 1
    if life.result:
        break
    if life.records:
        snapshot = replace(snapshot, record=life.records[-1])
print(json.dumps({
    "lives": lives,
    "equal": life.result == whole.result and bits_of(life.predictions) == bits_of(whole.predictions),
    "computed by": snapshot.record.identity.framework,
}))
"""


def test_an_engine_is_a_file_and_a_row(tmp_path: Path) -> None:
    folder = patched(tmp_path, ROWS)
    (folder / "qcqueue" / "engines" / "colours.py").write_text(FILE)
    said = said_by(folder, IN_LIVES_OF_ONE_STEP)
    assert said == {"lives": 9, "equal": True, "computed by": "colours"}
