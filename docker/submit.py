"""Submit the job `profile_update` for one feed's topic to the cluster that Flink's configuration names.

    submit.py FEED [--bounded] [options of `flink run`, e.g. -s SAVEPOINT]

FEED may be ``all``. Settings come from the environment (LIVETAGS_*) as everywhere; the public ones travel with the
job, workers read the secret ones from their own environment. The run is written to the ledger, so that
`livetags verify` knows which logs the stores hold.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from livetags import ledger
from livetags.inputs import KAFKA_SCHEME, resolve
from livetags.runner import JOB, prepare_stores
from schemas.run import Run
from schemas.settings import SETTINGS_FILE_VARIABLE, Settings
from serving.erasures import erasures

USAGE = "submit.py FEED [--bounded] [options of `flink run`]"
SECRETS = (
    "LIVETAGS_REDIS_URL",
    "LIVETAGS_CLICKHOUSE_URL",
    "LIVETAGS_KAFKA_PROPERTIES",
    "LIVETAGS_PSEUDONYM_KEYS",
    "LIVETAGS_PSEUDONYM_KEYS_FILE",
)


def main(arguments: list[str]) -> int:
    """Submit, detached; returns the exit status of `flink run`."""
    if not arguments or arguments[0].startswith("-"):
        print(f"usage: {USAGE}", file=sys.stderr)
        return 2
    feed, *flink_options = arguments
    bounded = "--bounded" in flink_options
    flink_options = [option for option in flink_options if option != "--bounded"]
    settings = Settings()
    inputs = resolve(feed, KAFKA_SCHEME + os.environ["KAFKA_BOOTSTRAP"])
    client = prepare_stores(settings)
    database = settings.clickhouse_database
    earlier = ledger.runs(client, database)
    restored = any(option == "-s" or option.startswith("--fromSavepoint") for option in flink_options)
    if not restored:
        ledger.refuse_mixed(earlier, inputs)
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    run = Run(
        run_id,
        tuple(source.as_feed_input() for source in inputs),
        bounded,
        erased=erasures(client, database),
        dictionary_updates="" if bounded else settings.dictionary_updates,
        rule_updates=settings.rule_updates,
    )
    listed = [{"feed": source.feed.name, "input": source.name} for source in inputs]
    with tempfile.TemporaryDirectory() as folder:
        # Files rather than arguments: longer than a shell likes, and not in the list of processes. Only this user can
        # look into the folder.
        run_file, settings_file, kafka_file = (
            Path(folder, name) for name in ("run.json", "settings.json", "kafka.yaml")
        )
        run_file.write_bytes(msgspec.json.encode(run))
        settings_file.write_text(settings.public())
        kafka = {name: value.get_secret_value() for name, value in settings.kafka_properties.items()}
        kafka_file.write_text(json.dumps({"kafka_properties": kafka}))
        ledger.record(client, database, ledger.RunRecord(run_id, JOB, listed, "running", started_at))
        if restored:
            ledger.inherit_totals(client, database, run_id, earlier, inputs)
        # The caller's options first: of an option given twice, Flink takes the first.
        command = ["flink", "run", "--detached", *flink_options, "-pyclientexec", sys.executable]
        command += ["-pyexec", sys.executable, "-py", str(job_file())]
        command += ["--run", f"@{run_file}", "--settings", f"@{settings_file}"]
        # Flink's client writes its whole environment into its log, so the secrets must not be in it.
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        environment[SETTINGS_FILE_VARIABLE] = str(kafka_file)
        status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        ledger.record(client, database, ledger.RunRecord(run_id, JOB, listed, "failed", started_at))
    else:
        print(f"run {run_id}: its totals are in {database}.run_counts")
    return status


def job_file() -> Path:
    """The file that wires the job, found without importing Flink."""
    spec = importlib.util.find_spec("jobs")
    if spec is None or not spec.submodule_search_locations:
        message = "package jobs is not installed in this Python: install the project"
        raise ModuleNotFoundError(message)
    return Path(next(iter(spec.submodule_search_locations)), f"{JOB}.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
