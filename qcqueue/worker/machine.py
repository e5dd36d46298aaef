"""What a session knows of the machine it runs on, without importing TensorFlow."""

import contextlib
import importlib.util
import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import takewhile
from pathlib import Path

from qcqueue.clock import Ids
from qcqueue.core.spec import Device
from qcqueue.stores.files import give_name, unfinished

CARDS = Path("/proc/driver/nvidia/gpus")
VISIBLE = "CUDA_VISIBLE_DEVICES"

# What an id looks like; anything else in its file was torn by a power cut, or is somebody else's.
AN_ID = re.compile(rb"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """id is the same for all sessions that share a cache, and only for them; host is for people to read.

    processor is the GPU where there is one, and cpu what computes where a job or TensorFlow does without it.
    """

    id: str
    host: str
    processor: str
    has_gpu: bool
    threads: int
    cpu: str = ""

    def processors(self, device: Device) -> tuple[str, ...]:
        """Return what a job of this device may be computed on here, the likelier first."""
        if not self.has_gpu or device == "gpu":
            return (self.processor,)
        return (self.cpu,) if device == "cpu" else tuple(filter(None, (self.processor, self.cpu)))


def this_machine(cache: Path, ids: Ids) -> Machine:
    """Describe this machine; the first call in a cache gives it its id."""
    gpu, cpu = _gpu_name(), _cpu_name()
    return Machine(
        id=_machine_id(cache / "machine", ids),
        host=socket.gethostname(),
        processor=gpu or cpu,
        has_gpu=gpu is not None,
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu=cpu,
    )


def is_installed(package: str) -> bool:
    """Return whether a package is installed for this Python, by the name that pip knows it by."""
    try:
        distribution(package)
    except (PackageNotFoundError, ValueError):
        return False
    return True


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what CUDA calls each GPU that a process with these variables may use."""
    cards, chosen = len(_cards()), environ.get(VISIBLE)
    if chosen is None or not cards:
        return tuple(map(str, range(cards)))
    named = (name.strip() for name in chosen.split(","))
    # CUDA takes what stands before the first that is none; a GPU may have a name instead of a number.
    return tuple(dict.fromkeys(takewhile(lambda name: name[:1].isalpha() or name in map(str, range(cards)), named)))


def process_age_s() -> float | None:
    """Return how long this process has lived, None where the system does not say."""
    if sys.platform == "win32":
        return None
    with contextlib.suppress(OSError, ValueError, IndexError):
        up_s = float(Path("/proc/uptime").read_text().split()[0])
        began_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return max(0.0, up_s - began_ticks / os.sysconf("SC_CLK_TCK"))
    return None


def can_train() -> bool:
    """Return whether the training extra is installed, without importing it."""
    return all(importlib.util.find_spec(name) for name in ("tensorflow", "keras", "sklearn"))


def out_of_memory_kills() -> int:
    """Return how often the kernel has killed a process for want of memory since boot; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _machine_id(path: Path, ids: Ids) -> str:
    """Return the id in a file, which gets one where it has none: a damaged cache costs time and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if AN_ID.fullmatch(found := path.read_bytes()):
            return found.decode()
    new = ids.new()
    with unfinished(path.parent) as file:
        file.write(new.encode())
        file.flush()
        if path.exists() or not _linked(path, Path(file.name)):
            give_name(file, path)
    return path.read_bytes().decode(errors="replace")


def _cards() -> list[Path]:
    return sorted(CARDS.glob("*/information"))


def _linked(path: Path, written: Path) -> bool:
    """Return whether a name is had now, be it by another session that has been quicker: then the id is its."""
    try:
        path.hardlink_to(written)
    except FileExistsError:
        return True
    except OSError:  # a file system without links
        return path.exists()
    return True


def _gpu_name() -> str | None:
    """Return the model of the GPU that is computed on: the first that may be used, as far as its number tells."""
    cards, usable = _cards(), visible_gpus(os.environ)
    if not usable:
        return None
    is_counted = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" and usable[0].isdigit()
    for card in cards[int(usable[0]) :] if is_counted else cards:
        for line in card.read_text().splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return None


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
