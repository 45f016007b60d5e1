"""Reads one person's tags straight from Redis, decayed to now, for one purpose, and leaves the record of it.

    pip install redis
    python examples/read_profile.py --reader crm --purpose profiling p.AbCdEfGhIjKlMnOpQrSt

The same as examples/ReadProfile.java, read_profile.go and read_profile.mjs. In Python, `serving.client` does all of
this and more. What the keys hold: docs/reading-redis.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import redis

KEPT_RECORDS = 200_000


def read_tags(
    client: redis.Redis, prefix: str, reader: str, purpose: str, user: str, now_ms: int
) -> dict[str, float] | None:
    """Tag -> weight now, of the groups that are for this purpose and not sensitive; None: there is no profile."""
    record = {
        "reader": reader,
        "purpose": purpose,
        "sensitive": "0",
        "operation": "profile",
        "people": "1",
        "users": user,
    }
    # one transaction: no read without its record
    with client.pipeline(transaction=True) as together:
        together.xadd(f"{prefix}:audit", record, maxlen=KEPT_RECORDS, approximate=True)
        together.hgetall(f"{prefix}:catalogue")
        together.hgetall(f"{prefix}:p:{{{user}}}")
        _, catalogue, profile = together.execute()
    if not profile:
        return None
    elapsed_ms = now_ms - int(profile["_as_of_ms"])
    weights = {}
    for field, text in profile.items():
        name = field.partition(":")[0]
        if field.startswith("_") or name not in catalogue:
            continue
        group = json.loads(catalogue[name])
        if group["purpose"] != purpose or group["sensitivity"] == "sensitive":
            continue
        if group["kind"] == "numeric" and field.endswith((".mean", ".std")):
            continue  # these don't decay
        weights[field] = float(text) * 2 ** (-elapsed_ms / group["half_life_ms"])
    return weights


def main() -> int:
    """Entry point; returns 1 when there is no profile."""
    parser = argparse.ArgumentParser(description="prints a person's tags, decayed to now")
    parser.add_argument("user", help="pseudonym")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379, help="of Redis; `livetags status` says it")
    parser.add_argument("--prefix", default="lt", help="livetags' setting redis_key_prefix")
    parser.add_argument("--reader", required=True, help="name of the service that reads, for the audit trail")
    parser.add_argument("--purpose", required=True, help="what the tags are used for")
    parser.add_argument("--now-ms", type=int, default=time.time_ns() // 1_000_000, help="the time to decay to")
    chosen = parser.parse_args()
    client = redis.Redis(chosen.host, chosen.port, decode_responses=True, socket_timeout=1.0)
    tags = read_tags(client, chosen.prefix, chosen.reader, chosen.purpose, chosen.user, chosen.now_ms)
    if tags is None:
        print("no profile", file=sys.stderr)
        return 1
    for tag, weight in sorted(tags.items(), key=lambda item: -item[1]):
        print(tag, weight, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
