"""Which processor this is: sums are rounded otherwise on another, and training amplifies that."""

import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

CPU_TABLE = Path("/proc/cpuinfo")
# x86 and most others; some ARM kernels name a board only.
NAMES = ("model name", "Model", "Hardware")


@cache
def processor_name() -> str:
    """What the processor calls itself, and its GPUs if this process computes with any.

    Of a GPU only torch knows, and only a stage that loaded it computes on one.
    """
    torch = sys.modules.get("torch")
    names = [cpu_name()]
    if torch is not None and torch.cuda.is_available():
        names += sorted({torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())})
    return " + ".join(names)


def cpu_name() -> str:
    """What the operating system calls the processor; at least its architecture."""
    if CPU_TABLE.exists():
        return name_in(CPU_TABLE.read_text(encoding="utf-8", errors="replace")) or machine()
    if sys.platform == "darwin":
        asked = ("sysctl", "-n", "machdep.cpu.brand_string")
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        return found.stdout.strip() or machine()
    return platform.processor() or machine()


def name_in(table: str) -> str:
    """The processor's name in the text of /proc/cpuinfo; empty if there is none."""
    fields: dict[str, str] = {}
    for line in table.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return next((fields[name] for name in NAMES if fields.get(name)), "")


def machine() -> str:
    """The architecture, such as x86_64."""
    return platform.machine() or "unknown"
