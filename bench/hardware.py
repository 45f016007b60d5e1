"""Facts about the machine that need no package of what is measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil


def hardware() -> dict[str, str]:
    """What a reader needs to judge times; nothing that names the machine or its user."""
    load = os.getloadavg()
    return {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {psutil.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": ", ".join(f"{value:.2f}" for value in load),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
