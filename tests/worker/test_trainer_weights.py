"""What a session asks the trainer that gets ready: real processes, a publisher on this machine, no libraries loaded."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.worker.process import TrainerProcess
from tests.engines.publisher import Publisher, hdf5, publishing

pytestmark = pytest.mark.racing

WANTED = WantedWeights(model="MobileNetV2", image_size=(96, 96))

# A trainer whose publisher is on this machine, who takes smaller files for whole ones, and who has no TensorFlow.
TRAINER = """#!{python}
import dataclasses, sys
sys.modules.update(dict.fromkeys(("keras", "tensorflow")))
from qcqueue.catalog import models
from qcqueue.engines.keras_tf import pretrained
from qcqueue.spool import weights
from qcqueue.trainer.main import main
pretrained.ADDRESS = {address!r}
weights.imagenet_file = lambda *about: dataclasses.replace(models.imagenet_file(*about), least_bytes=1000)
sys.exit(main([]))
"""


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with publishing() as publisher:
        publisher.files[WANTED.file.path] = hdf5(tmp_path)
        script = tmp_path / "trainer"
        script.write_text(TRAINER.format(python=sys.executable, address=publisher.address))
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        yield publisher


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[TrainerProcess]:
    (tmp_path / "cache").mkdir()
    trainer = TrainerProcess(tmp_path / "cache")
    yield trainer
    trainer.kill()
    assert list((tmp_path / "cache").iterdir()) == []


def answer(trainer: TrainerProcess, wanted: WantedWeights = WANTED, *, seconds: float = 30.0) -> FoundWeights:
    clock = SystemClock()
    until_s = clock.monotonic_s() + seconds
    while (found := trainer.check_weights(wanted)) is None:
        assert clock.monotonic_s() < until_s, "it did not answer"
        clock.sleep(0.02)
    return found


def test_the_process_that_will_train_downloads_what_it_needs(publisher: Publisher, trainer: TrainerProcess) -> None:
    assert answer(trainer, replace(WANTED, may_download=False)) == FoundWeights()
    ready = trainer._ready
    found = answer(trainer)
    assert found.path is not None
    assert found.path.read_bytes() == publisher.files[WANTED.file.path]
    assert answer(trainer) == answer(trainer, replace(WANTED, may_download=False)) == found
    assert trainer._ready is ready
    assert publisher.asked == {WANTED.file.path: 1}


def test_what_the_queue_kept_is_put_where_keras_looks(
    publisher: Publisher, trainer: TrainerProcess, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(publisher.files[WANTED.file.path])
    found = answer(trainer, replace(WANTED, given=tmp_path / "blob"))
    assert found.path == tmp_path / "keras" / "models" / WANTED.file.name
    assert not publisher.asked


def test_what_cannot_be_had_is_said(publisher: Publisher, trainer: TrainerProcess) -> None:
    publisher.files.clear()
    said = str(answer(trainer).obstacle)
    assert "the ImageNet weights of MobileNetV2 could not be downloaded" in said
    assert "answered 404" in said
    assert trainer._ready is not None
    assert trainer._ready.poll() is None


def until(happened: Callable[[], object]) -> None:
    clock = SystemClock()
    until_s = clock.monotonic_s() + 30
    while not happened():
        assert clock.monotonic_s() < until_s, "it did not happen"
        clock.sleep(0.02)


def test_a_trainer_that_dies_meanwhile_is_an_obstacle_in_words(publisher: Publisher, trainer: TrainerProcess) -> None:
    publisher.stalls = True
    assert trainer.check_weights(WANTED) is None
    until(lambda: publisher.asked)
    assert trainer._ready is not None
    trainer._ready.send_signal(signal.SIGKILL)
    said = str(answer(trainer).obstacle)
    assert said.startswith("the trainer ended (SIGKILL) while it looked for the ImageNet weights of MobileNetV2")
    publisher.stalls = False
    assert answer(trainer).path is not None  # the next one looks again


def test_a_download_that_takes_long_blocks_nobody_and_ends_with_the_session(
    publisher: Publisher, trainer: TrainerProcess, tmp_path: Path
) -> None:
    publisher.stalls = True
    for _ in range(3):
        assert trainer.check_weights(WANTED) is None
    until(lambda: publisher.asked)
    trainer.kill()
    assert not (tmp_path / "keras" / "models" / WANTED.file.name).exists()
    publisher.stalls = False
    assert answer(trainer).path is not None
