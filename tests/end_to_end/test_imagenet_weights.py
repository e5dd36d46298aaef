"""ImageNet weights on two machines: the publisher is on this one and the weights are made here, the rest is real."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qcqueue.catalog.models import imagenet_file
from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, a_house, command, job
from tests.engines.publisher import publishing

pytestmark = [pytest.mark.tensorflow, pytest.mark.long]

FILE = imagenet_file("MobileNetV2", (32, 32))

# As a download is laid out; values of a new model are all that can be had here.
MAKE = """
import sys, h5py, keras
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
keras.utils.set_random_seed(1)
base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
with h5py.File(sys.argv[1], "w") as file:
    save_weights_to_hdf5_group(file, base)
"""
AT = "import os\nfrom qcqueue.engines.keras_tf import pretrained\npretrained.ADDRESS = os.environ['PUBLISHER']\n"


def on(machine: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to another machine: it has its own cache, and Keras has nothing there yet."""
    shutil.rmtree(house.cache, ignore_errors=True)
    monkeypatch.setenv("KERAS_HOME", str(house.folder / machine))


def test_one_machine_downloads_and_another_asks_the_queue_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    made = tmp_path / "mobile.h5"
    subprocess.run([sys.executable, "-W", "ignore", "-c", MAKE, str(made)], env=environment, check=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(AT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(Path.cwd())]))
    with publishing() as publisher:
        publisher.files[FILE.path] = made.read_bytes()
        monkeypatch.setenv("PUBLISHER", publisher.address)
        house = a_house(tmp_path / "house", study="")
        jobs = "".join(f'[[job]]\nmodel = "MobileNetV2"\nname = "{name}"\n' for name in ("first", "second"))
        study = STUDY.replace('weights = "none"', 'weights = "imagenet"').replace("epochs = 3", "epochs = 1") + jobs
        house.write("mobile.h5", made.read_bytes())
        house.write("study.toml", study + '[[job]]\nmodel = "VGG16"\nname = "third"\nweights = "mobile.h5"\n')
        assert command(house, "enqueue", "study.toml", "--keep-weights", fresh=True).returncode == 0

        assert command(house, "hold", "third").returncode == 0

        on("one", house, monkeypatch)
        worked = command(house, "work", fresh=True)
        assert worked.returncode == 0, worked.stderr
        assert "keeping the ImageNet weights of MobileNetV2 in the store" in worked.stderr
    assert publisher.asked == {FILE.path: 1}

    on("two", house, monkeypatch)  # and the network is away
    worked = command(house, "work", fresh=True)
    assert worked.returncode == 0, worked.stderr
    assert f"fetching {FILE.name}, which the queue keeps" in worked.stderr
    results = [job(house, f"small/{name}")["result"] for name in ("first", "second")]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]

    assert command(house, "release", "third").returncode == 0
    assert command(house, "work", fresh=True).returncode == 3
    failed = job(house, "small/third")["failure"]
    assert failed["cause"] == "weights_unavailable"
    layers = "it has 104 layers with weights, the model 13"
    assert failed["message"] == f"mobile.h5 does not fit VGG16 without its top: {layers}"
    why = command(house, "why", "third").stdout
    assert "qcqueue retry small/third --weights FILE" in why
