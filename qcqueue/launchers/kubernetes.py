"""Kubernetes: a Job of so many sessions, each a pod that is made anew where its session would go on later.

It is only written, as JSON is YAML too; whoever hands it over says where. Always true: what may not stand in a
manifest, as keys do, is named in a Secret that the person makes.
"""

import json
import re

from qcqueue.errors import NOTHING_TO_DO, RESUMABLE
from qcqueue.launchers.base import Launch, in_a_shell

NAME = "qcqueue"
SECRET = "qcqueue"
SAVES_WITHIN_S = 180
"""How long a pod that is asked to leave may take to save."""

CACHE = "/cache"
IMAGE = re.compile(r"[\w.:/@-]{1,500}", re.ASCII)


def manifest(launch: Launch, *, image: str) -> str:
    """Return the manifest of a Job. image: of a container with qcqueue and TensorFlow in it."""
    # There being nothing to do is no failure, so the pod is done then.
    run = in_a_shell(launch, ["qcqueue"]) + f'[ "$code" -eq {NOTHING_TO_DO} ] && exit 0\nexit "$code"\n'
    environment = {**launch.environment, "QCQUEUE_CACHE": CACHE}
    container = {
        "name": NAME,
        "image": image,
        "command": ["/bin/sh", "-c", run],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "envFrom": [{"secretRef": {"name": SECRET, "optional": True}}],
        "volumeMounts": [{"name": "cache", "mountPath": CACHE}],
        **({"resources": {"limits": {"nvidia.com/gpu": launch.gpus}}} if launch.gpus else {}),
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{NAME}-"},  # there may be those of two people, or of two days
        "spec": {
            "parallelism": launch.sessions,
            "completions": launch.sessions,
            "completionMode": "Indexed",
            "backoffLimit": launch.sessions,
            # Neither a session that would go on later nor a pod that the cluster took away counts as a failure.
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [RESUMABLE]}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": SAVES_WITHIN_S,
                    "containers": [container],
                    "volumes": [{"name": "cache", "emptyDir": {}}],
                }
            },
        },
    }
    return json.dumps(job, indent=2)
