"""A job that reads a topic of rules to its end and prints each message as a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyflink.table import StreamTableEnvironment

from jobs.environment import make_environment
from jobs.rule_topic import rule_messages
from schemas.settings import Settings

if __name__ == "__main__":
    bootstrap, topic, *jars = sys.argv[1:]
    environment = make_environment(Settings(), [Path(jar) for jar in jars], local=True)
    t_env = StreamTableEnvironment.create(environment)
    t_env.get_config().set("table.local-time-zone", "UTC")
    messages = rule_messages(t_env, bootstrap, topic, bounded=True, kafka_properties={})
    for key, value, published_ms in messages.execute_and_collect("rules"):
        print("MESSAGE", json.dumps([key, value, published_ms]), flush=True)
