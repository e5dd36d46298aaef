"""What the processor of this machine is called and what it can do, for an identity; no framework is asked."""

import os
import platform
from pathlib import Path

_INSTRUCTION_SETS = ("avx512f", "avx2", "avx", "sse4_1", "asimd")  # best first, as oneDNN chooses


def cpu_name() -> str:
    return _cpu_fact("model name") or platform.processor() or platform.machine()


def instruction_set() -> str:
    """Return the widest vector instructions kernels may use; oneDNN's own switches change bits as well."""
    flags = {*(_cpu_fact("flags") or _cpu_fact("Features")).split()}
    widest = next((name for name in _INSTRUCTION_SETS if name in flags), platform.machine())
    switches = [os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")]
    return " ".join([widest.removesuffix("f") if widest.startswith("avx512") else widest, *filter(None, switches)])


def _cpu_fact(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
