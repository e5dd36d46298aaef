"""One job's description to start from, for tests, benchmarks and simulated worlds that care about a few keys of it."""

from typing import Any

from qcqueue.core.spec import JobSpec


def a_spec(**changes: Any) -> JobSpec:
    """Return a whole spec, VGG16 with the usual settings of the article, with these keys changed."""
    usual: dict[str, Any] = {
        "study": "study",
        "name": "vgg16",
        "model": "VGG16",
        "dataset": "images",
        "epochs": 100,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "optimizer": "adam",
        "image_size": (75, 75),
        "weights": "none",
        "weights_sha256": None,
        "trainable": "all",
        "augment": "none",
        "dropout": 0.0,
        "determinism": "exact",
        "device": "any",
        "seed": 1,
        "early_stopping": 0,
    }
    return JobSpec(**(usual | changes))
