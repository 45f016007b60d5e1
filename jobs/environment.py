"""The Flink environment of a job, from the settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment

from schemas.settings import Settings


def flink_options(settings: Settings) -> dict[str, str]:
    """Flink options that hold wherever the job runs; a cluster's own checkpoint folder stands unless one is set."""
    options = {
        "python.execution-mode": settings.execution_mode,
        "pipeline.max-parallelism": str(settings.max_parallelism),
        "pipeline.object-reuse": "true",
        "execution.buffer-timeout.interval": f"{settings.buffer_timeout_ms} ms",
        "state.backend.type": settings.state_backend,
        "execution.checkpointing.incremental": str(settings.state_backend == "rocksdb").lower(),
        "execution.checkpointing.interval": f"{round(settings.checkpoint_interval_s * 1000)} ms",
        "execution.checkpointing.timeout": f"{round(settings.checkpoint_timeout_s * 1000)} ms",
        "execution.checkpointing.tolerable-failed-checkpoints": "3",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": str(settings.restart_attempts),
        "restart-strategy.fixed-delay.delay": f"{round(settings.restart_delay_s * 1000)} ms",
    }
    if settings.checkpoint_dir:
        options |= _checkpoints_in(settings.checkpoint_dir)
    return options


def _checkpoints_in(folder_uri: str) -> dict[str, str]:
    return {"execution.checkpointing.dir": folder_uri, "execution.checkpointing.savepoint-dir": folder_uri}


def local_options(settings: Settings, rest_port: int | None) -> dict[str, str]:
    """Flink options of the Flink that runs inside this process's JVM: all slots in one TaskManager, on loopback."""
    options = {
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        **_checkpoints_in(settings.checkpoint_dir or (settings.data_dir.absolute() / "checkpoints").as_uri()),
        "taskmanager.numberOfTaskSlots": str(settings.parallelism),
        "taskmanager.memory.managed.size": "512m",
        "taskmanager.memory.network.max": "128m",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
    }
    if rest_port is not None:
        options["rest.bind-port"] = str(rest_port)
    return options


def make_environment(
    settings: Settings, jars: list[Path], *, local: bool, rest_port: int | None = None, restore: str = ""
) -> StreamExecutionEnvironment:
    """Execution environment for a job; `restore` is the savepoint or retained checkpoint to start from."""
    options = flink_options(settings)
    if local:
        options |= local_options(settings, rest_port)
        # Thread mode embeds an interpreter in the JVM, which finds its modules through this variable only. An editable
        # install is found by a hook instead of a path, so the project's own place is named.
        here = str(Path(__file__).parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in [*sys.path, here] if path))
    if restore:
        options["execution.state-recovery.path"] = restore
    if jars:
        options["pipeline.jars"] = ";".join(jar.absolute().as_uri() for jar in jars)
    configuration = Configuration()
    for name, value in options.items():
        configuration.set_string(name, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.set_parallelism(settings.parallelism)
    return environment
