"""One Kafka broker on this machine: KRaft, broker and controller in one process, for tests and for trying things.

The pieces (``prepare``, ``server_argv``, ``wait_ready``) serve whoever starts processes in another way, detached for
example; ``KafkaBroker`` puts them together for a process that ends with the one that started it. Nothing here is
meant to hold data that cannot be made anew: one replica, no encryption, no log-in, loopback only.
"""

from __future__ import annotations

import base64
import fcntl
import re
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from livetags.embedded.processes import free_port

HOST = "127.0.0.1"
# Room for a 10 MB record and what Kafka puts around it.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
LOG_NAME = "broker.log"
PROPERTIES_NAME = "server.properties"

_DATA_NAME = "data"
_META_NAME = "meta.properties"
_CLAIM_NAME = ".claim"
_HEAP = "-Xmx512m"
_FORMAT_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_KILL_TIMEOUT_S = 10.0
_LOG_LINES = 15


class KafkaBrokerError(RuntimeError):
    """The broker could not be prepared, started or stopped; the message carries exit status and last log lines."""


def server_properties(folder: Path, port: int, controller_port: int) -> str:
    """Say the broker's configuration, as the text of its ``server.properties``.

    Parameters
    ----------
    folder
        The broker's folder; its data goes into ``data`` below it.
    port
        Where clients connect, on loopback.
    controller_port
        Where the broker's own controller half listens, on loopback.
    """
    data = str(folder.resolve() / _DATA_NAME)
    if not re.fullmatch(r"[^\\,\r\n]+", data):
        message = (
            f"Kafka data folder: got {data!r}, expected a path with no comma, backslash or line end (its own format)"
        )
        raise KafkaBrokerError(message)
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{HOST}:{port}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        # One node: everything that would be replicated is not.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A misspelt topic is an error, not a new topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        # Records of a demonstration or a replay stay, however old their timestamps.
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        # The defaults are for a machine of its own: 128 MiB of cleaner buffer do not fit this heap well.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
        # How often the broker half asks the controller half whether it may serve: at start this is waiting time.
        "broker.heartbeat.interval.ms": 200,
        "broker.session.timeout.ms": 6000,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def format_argv(java_home: Path, jars: Sequence[Path], properties: Path, cluster_id: str) -> list[str]:
    """Say the command that formats an empty data folder; it ends by itself within seconds."""
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(properties)]
    return [*_java(java_home, jars), *tool]


def server_argv(java_home: Path, jars: Sequence[Path], properties: Path) -> list[str]:
    """Say the command that runs the broker in the foreground, on a formatted data folder, until SIGTERM."""
    return [*_java(java_home, jars), "kafka.Kafka", str(properties)]


def prepare(folder: Path, java_home: Path, jars: Sequence[Path], port: int, controller_port: int) -> Path:
    """Write the configuration and format the data folder if it is new; data already there stays.

    Returns
    -------
    Path
        The ``server.properties`` for ``server_argv``.

    Raises
    ------
    KafkaBrokerError
        The formatting failed or did not end; the message carries what it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder.resolve() / PROPERTIES_NAME
    properties.write_text(server_properties(folder, port, controller_port), encoding="utf-8")
    if (folder / _DATA_NAME / _META_NAME).exists():
        return properties
    try:
        answer = subprocess.run(
            format_argv(java_home, jars, properties, _new_cluster_id()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_FORMAT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"formatting Kafka's data folder in {folder} did not end within {_FORMAT_TIMEOUT_S:.0f} s"
        raise KafkaBrokerError(message) from error
    except OSError as error:
        message = f"the Java in {java_home} cannot be run: {error.strerror or error}; give another java_home"
        raise KafkaBrokerError(message) from error
    if answer.returncode != 0:
        message = (
            f"formatting Kafka's data folder in {folder} ended with status {answer.returncode}, expected 0; it said:\n"
            f"{_last_lines(answer.stdout)}"
        )
        raise KafkaBrokerError(message)
    return properties


@contextmanager
def claim(folder: Path) -> Iterator[int]:
    """Claim a broker's folder, so that no second broker touches its data: Kafka itself notices that too late.

    The claim is a file lock on the yielded descriptor. Give it to the broker's process (``pass_fds``): the claim then
    lasts as long as that process, whatever becomes of the one that started it.

    Raises
    ------
    KafkaBrokerError
        Another broker, or another process about to start one, has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _CLAIM_NAME).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = (
                f"the Kafka folder {folder} is in use by another broker, expected it free; stop that one, or give this "
                f"one a folder of its own"
            )
            raise KafkaBrokerError(message) from error
        yield file.fileno()


def cluster_id(folder: Path) -> str:
    """Read the id of the cluster whose data is in ``folder``; it tells one broker from another on the same port.

    Raises
    ------
    KafkaBrokerError
        The folder is not prepared.
    """
    meta = folder / _DATA_NAME / _META_NAME
    try:
        found = re.search(r"^cluster\.id=(\S+)$", meta.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError as error:
        message = f"{meta} cannot be read: {error.strerror or error}; prepare the folder first"
        raise KafkaBrokerError(message) from error
    if found is None:
        message = f"{meta} was expected to have a cluster.id line, it has none; delete the folder and start anew"
        raise KafkaBrokerError(message)
    return found.group(1)


def wait_ready(bootstrap: str, cluster: str, timeout_s: float, still_alive: Callable[[], bool] = lambda: True) -> bool:
    """Wait until the broker of this cluster answers a metadata request and names itself as serving.

    Parameters
    ----------
    bootstrap
        ``host:port`` of the broker.
    cluster
        Its ``cluster_id``; another broker's answer does not count.
    timeout_s
        How long to wait at most.
    still_alive
        Asked between attempts; once it says no, the waiting ends.

    Returns
    -------
    bool
        Whether the broker is ready.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    host, _, port = bootstrap.rpartition(":")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and still_alive():
        # A plain connection first: the Kafka client waits longer after each refusal, this loop does not.
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
            continue
        client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        while time.monotonic() < deadline and still_alive():
            try:
                metadata = client.list_topics(timeout=1.0)
                if metadata.brokers and metadata.cluster_id == cluster:
                    return True
            except KafkaException:
                break
            time.sleep(0.05)
    return False


class KafkaBroker:
    """A broker that lives as long as the ``with`` block around it.

    Its data stays in the folder: a broker started there later serves the same records.

    Parameters
    ----------
    folder
        The broker's own folder, for its configuration, data and log; made when absent.
    java_home
        The Java to run it with, see ``livetags.embedded.java``.
    jars
        The ``kafka-broker`` set of ``livetags.embedded.jars``.
    port, controller_port
        Where to listen, on loopback; 0 takes a free port.
    """

    def __init__(
        self, folder: Path, java_home: Path, jars: Sequence[Path], *, port: int = 0, controller_port: int = 0
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()
        self._java_home = java_home
        self._jars = list(jars)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What clients take as ``bootstrap.servers``; the same after a restart."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the broker and return once it answers.

        Raises
        ------
        KafkaBrokerError
            It already runs, another broker has the folder, it ended by itself, or it did not answer in time; in the
            last two cases nothing is left running and the message carries exit status and last log lines.
        """
        if self.pid is not None:
            message = f"the Kafka broker in {self.folder} already runs (process {self.pid}); stop it first"
            raise KafkaBrokerError(message)
        log = self.folder / LOG_NAME
        with claim(self.folder) as claimed, log.open("wb") as output:
            properties = prepare(self.folder, self._java_home, self._jars, self.port, self.controller_port)
            process = subprocess.Popen(
                server_argv(self._java_home, self._jars, properties),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal goes to everything in the foreground; the broker has to outlive its clients.
                start_new_session=True,
                pass_fds=(claimed,),
            )
        self._process = process
        try:
            ready = wait_ready(self.bootstrap, cluster_id(self.folder), timeout_s, lambda: process.poll() is None)
        except BaseException:
            self.stop()
            raise
        if ready:
            return
        status = process.poll()
        self.stop()
        became = f"ended with status {status}" if status is not None else f"did not answer within {timeout_s:.0f} s"
        message = (
            f"the Kafka broker at {self.bootstrap} {became}, expected it to serve; its last log lines ({log}):\n"
            f"{_last_lines(log.read_text(encoding='utf-8', errors='replace'))}"
        )
        raise KafkaBrokerError(message)

    def stop(self) -> None:
        """Stop the broker this object started: SIGTERM, and SIGKILL if that is not heard. Stopped already: nothing.

        Raises
        ------
        KafkaBrokerError
            Not even SIGKILL ended it.
        """
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for what, patience_s in ((signal.SIGTERM, _STOP_TIMEOUT_S), (signal.SIGKILL, _KILL_TIMEOUT_S)):
            process.send_signal(what)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            return
        message = f"the Kafka broker's process {process.pid} did not end on SIGKILL; end it by hand"
        raise KafkaBrokerError(message)

    def restart(self, timeout_s: float = 60.0) -> None:
        """Stop the broker and start it on the same ports and data; raises what ``start`` and ``stop`` raise."""
        self.stop()
        self.start(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _java(java_home: Path, jars: Sequence[Path]) -> list[str]:
    return [
        str(java_home / "bin" / "java"),
        _HEAP,
        # Serial collection and the first compiler only: a small heap, two cores, and a start that somebody waits for.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "-cp",
        ":".join(str(jar) for jar in jars),
    ]


def _new_cluster_id() -> str:
    """Make what Kafka's own random-uuid makes: 16 random bytes in URL-safe base 64, with no dash in front."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


def _last_lines(text: str) -> str:
    # Stack frames push out the line that says what is wrong.
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "\t... "))]
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:]) or "  (it said nothing)"
