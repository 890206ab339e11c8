"""How much memory and disk this machine has, on every system."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgvsc.models.fitting import Machine


def this_machine() -> Machine:
    """GPU memory, main memory and free disk where the hub's client keeps its files."""
    import shutil

    import torch

    from lgvsc.models.fitting import Machine
    from lgvsc.models.hub import hub_cache

    place = hub_cache() or Path.cwd()
    while not place.exists():
        place = place.parent
    gpus = [torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count())]
    return Machine(
        gpu_gb=max(gpus, default=0) / 1e9, ram_gb=memory_gb()[0], disk_gb=shutil.disk_usage(place).free / 1e9
    )


def memory_gb() -> tuple[float | None, float | None]:
    """Total and free memory, in 10^9 bytes; a container's limit counts as the total."""
    if sys.platform == "win32":
        return windows_memory_gb()
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None, None
    free: float | None = None
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass  # macOS has no such file and no other way without a helper program
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        if limit < total:
            total = limit
            left = limit - int((group / "memory.current").read_text())
            free = left if free is None else min(free, left)
    except (OSError, ValueError):
        pass  # no container, or one without a limit
    return total / 1e9, None if free is None else free / 1e9


def windows_memory_gb() -> tuple[float | None, float | None]:
    """The same from the Windows API."""
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("free", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 5),
        )

    status = MemoryStatus()
    status.length = ctypes.sizeof(MemoryStatus)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        return None, None
    return status.total / 1e9, status.free / 1e9
