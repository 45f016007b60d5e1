"""The job on a real standalone cluster: submitted, stopped with a savepoint, restored, and everything in its place.

One JobManager and two TaskManagers of one slot, started by Flink's own scripts; a real broker; the stores' addresses in
the workers' environment only. The submission is the one of docker/: `prepare.py` and `submit.py` are run as they are
in the image.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest
import redis
import yaml

from livetags import ledger, verify_logs
from livetags.embedded import jars, java, stores, topics
from livetags.embedded.kafka_broker import KafkaBroker
from livetags.inputs import resolve
from livetags.runner import Progress
from schemas.settings import Settings
from sinks.clickhouse_client import connect
from sources import FEEDS

pytestmark = [pytest.mark.flink, pytest.mark.kafka, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
JAR_FOLDER = ROOT / jars.DEFAULT_FOLDER
FEED = FEEDS["household"]  # whose purpose needs no consent, so that one topic is enough
RECORDS = 20_000
BEFORE_THE_STOP = 12_000
LINES = [json.loads(value) for value in FEED.sample(RECORDS, 0)]
REJECTED = {"household/tag_missing": sum(line["category"] is None for line in LINES)}


# Only what says where things are differs from the image's own.
PLACES = ("env.", "jobmanager.rpc", "jobmanager.bind", "taskmanager.bind", "rest.", "execution.checkpointing")


def image_options() -> dict[str, str]:
    """Flink options of the image, for this cluster."""
    options = yaml.safe_load((ROOT / "docker" / "config.yaml").read_text())
    return {name: str(value).lower() for name, value in options.items() if not name.startswith(PLACES)}


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


standalone_cluster = module_at(ROOT / "tools" / "standalone_cluster.py")


@dataclass
class Platform:
    """What a platform team has: a cluster, a broker, stores, and a client that submits."""

    cluster: standalone_cluster.StandaloneCluster
    bootstrap: str
    settings: Settings
    folder: Path

    def run(self, script: str, *arguments: str, settings: Settings) -> str:
        """Run a script of docker/ as its container would; returns what it said."""
        environment = {
            **self.cluster.client_environment(),
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "TOPIC_PARTITIONS": "4",
            "LIVETAGS_REDIS_URL": settings.redis_url.get_secret_value(),
            "LIVETAGS_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
            "LIVETAGS_CLICKHOUSE_DATABASE": settings.clickhouse_database,
            "LIVETAGS_REDIS_KEY_PREFIX": settings.redis_key_prefix,
            "LIVETAGS_PARALLELISM": str(settings.parallelism),
            "LIVETAGS_CHECKPOINT_DIR": settings.checkpoint_dir,
            "LIVETAGS_RESTART_ATTEMPTS": str(settings.restart_attempts),
        }
        command = [sys.executable, str(ROOT / "docker" / script), *arguments]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=150)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def submit(self, *arguments: str, settings: Settings) -> tuple[str, str]:
        """Id of the job and of the run."""
        said = self.run("submit.py", FEED.name, *arguments, settings=settings)
        return standalone_cluster.job_id(said), said.split("\nrun ")[1].split(":")[0]

    def totals(self, settings: Settings, run_id: str) -> ledger.Totals:
        client = connect(settings.clickhouse_url.get_secret_value(), 10.0)
        return ledger.totals(client, settings.clickhouse_database, run_id)

    def wait_for(self, settings: Settings, job: str, run_id: str, events_in: int) -> ledger.Totals:
        deadline = time.monotonic() + 90
        while (found := self.totals(settings, run_id)).events_in < events_in:
            assert time.monotonic() < deadline, (
                f"{found.events_in} of {events_in} events, job {self.cluster.status(job)}"
            )
            time.sleep(0.3)
        return found

    def verify(self, settings: Settings) -> None:
        """Every profile in both stores is what the whole log says."""
        client = connect(settings.clickhouse_url.get_secret_value(), 10.0)
        hot = redis.Redis.from_url(settings.redis_url.get_secret_value())
        inputs = resolve(FEED.name, f"kafka://{self.bootstrap}")
        verdict = verify_logs.verify_against_logs(settings, client, hot, inputs, Progress())
        assert verdict.ok, verdict.to_json()
        assert verdict.users == len({line["household_id"] for line in LINES if line["category"] is not None})


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    settings = Settings(
        data_dir=folder / "data",
        parallelism=2,
        checkpoint_dir=(folder / "checkpoints").as_uri(),
        restart_attempts=0,
    )
    try:
        stores.up(settings, lambda _step: None)
        settings = stores.resolved(settings)
        workers = {
            "LIVETAGS_REDIS_URL": settings.redis_url.get_secret_value(),
            "LIVETAGS_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
            # As in the image; the repository too, since it is installed editable here.
            "PYTHONPATH": os.pathsep.join(
                [next(path for path in sys.path if path.endswith("site-packages")), str(ROOT)]
            ),
        }
        broker = KafkaBroker(folder / "kafka", java.java_home(), jars.fetch("kafka-broker", JAR_FOLDER))
        cluster = standalone_cluster.StandaloneCluster(
            folder / "flink", 2, environment=workers, options=image_options(), kafka_jar_folder=JAR_FOLDER
        )
        with broker, cluster:
            there = Platform(cluster, broker.bootstrap, settings, folder)
            there.run("prepare.py", settings=settings)
            yield there
    finally:
        stores.down(settings)


def test_prepare_makes_the_topics_of_every_feed(platform: Platform) -> None:
    for feed in FEEDS.values():
        assert len(topics.begin_offsets(platform.bootstrap, feed.topic)) == 4


def test_stop_with_savepoint_and_restore(platform: Platform) -> None:
    settings = platform.settings
    records = [(FEED.subscriber(value), value) for value in FEED.sample(RECORDS, 0)]
    topics.publish(platform.bootstrap, FEED.topic, islice(records, BEFORE_THE_STOP))

    job, run_id = platform.submit(settings=settings)
    before = platform.wait_for(settings, job, run_id, BEFORE_THE_STOP)
    savepoint = platform.cluster.stop_with_savepoint(job, (platform.folder / "savepoints").as_uri())
    assert platform.cluster.status(job) == "FINISHED"
    topics.publish(platform.bootstrap, FEED.topic, islice(records, BEFORE_THE_STOP, None))
    restored, restored_id = platform.submit("-s", savepoint, settings=settings)
    after = platform.wait_for(settings, restored, restored_id, RECORDS)

    assert before.events_in == BEFORE_THE_STOP
    assert before.balanced
    assert (after.events_in, after.duplicates, after.rejected) == (RECORDS, 0, REJECTED)
    assert after.balanced
    # both slots had work: one slot per TaskManager
    assert all(manager["freeSlots"] == 0 for manager in platform.cluster.get("/taskmanagers")["taskmanagers"])
    platform.cluster.stop_with_savepoint(restored, (platform.folder / "savepoints").as_uri())
    platform.verify(settings)


def test_bounded_run_ends_with_everything_written(platform: Platform) -> None:
    settings = platform.settings.model_copy(update={"clickhouse_database": "bounded", "redis_key_prefix": "bounded"})
    ends = topics.end_offsets(platform.bootstrap, FEED.topic)
    assert sum(ends.values()) == RECORDS, "the test before this one fills the topic"

    job, run_id = platform.submit("--bounded", settings=settings)
    platform.cluster.wait(job, "FINISHED")

    totals = platform.totals(settings, run_id)
    assert totals.events_in == RECORDS
    assert totals.balanced
    platform.verify(settings)


def test_no_secret_in_a_log_or_the_console(platform: Platform) -> None:
    urls = [platform.settings.redis_url.get_secret_value(), platform.settings.clickhouse_url.get_secret_value()]
    shown = [str(platform.cluster.get(f"/jobs/{job}/config")) for job in platform.cluster.jobs()]
    shown += [str(platform.cluster.get("/jobmanager/config"))]
    shown += [file.read_text(errors="replace") for file in platform.cluster.logs.iterdir() if file.is_file()]
    assert not [url for url in urls for text in shown if url in text]
