"""Triggers in a topic of a real broker, written by a real Flink."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from made_triggers import trigger

from livetags.embedded import topics
from livetags.job_process import connector_jars, job_environment
from schemas.outputs import Receipt
from schemas.run import Run
from schemas.settings import Settings
from sinks.trigger_message import from_json, from_protobuf

pytestmark = [pytest.mark.flink, pytest.mark.kafka]

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(("form", "mode"), [("json", "thread"), ("protobuf", "thread"), ("protobuf", "process")])
def test_every_trigger_that_was_sent_arrives_under_its_person(
    bootstrap: str, tmp_path: Path, form: str, mode: str
) -> None:
    topic = f"triggers-{form}-{mode}"
    topics.create_topic(bootstrap, topic, 3)
    users = ["p.one", "p.two", "人 {x} 🙂"]
    odd = {"text": "\x00\x7f\x80é日🙂", "number": -1e-300, "flag": True}
    made = [trigger(n, users[n % 3], values=odd) for n in range(60)]
    shadow, refused = Receipt(trigger(100, shadow=True), 0), Receipt(trigger(101), 0)
    receipts = [shadow, *(Receipt(each, 5) for each in made), refused]
    settings = Settings(
        data_dir=tmp_path,
        trigger_topic=f"kafka://{bootstrap}/{topic}",
        trigger_topic_format=form,  # type: ignore[arg-type]
        execution_mode=mode,  # type: ignore[arg-type]
    )
    jars = [str(jar) for jar in connector_jars(settings, Run("r", (), bounded=True))]
    environment = {
        **job_environment(settings),
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS / "flink")]),
    }
    packed = msgspec.msgpack.encode(receipts).hex()
    subprocess.run(
        [sys.executable, str(TESTS / "flink" / "trigger_topic_job.py"), settings.public(), packed, *jars],
        env=environment,
        check=True,
        timeout=150,
    )
    read = from_json if form == "json" else from_protobuf
    found = []
    for _, _, key, value in topics.read_all(bootstrap, topic):
        assert value is not None
        found.append(read(value))
        assert key == found[-1].user.encode()
    assert sorted(found, key=lambda each: each.at_ms) == made
    for user in users:
        theirs = [each.at_ms for each in found if each.user == user]
        assert theirs == sorted(theirs), "a person's triggers are in order"
