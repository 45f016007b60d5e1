"""The embedded stores in a temporary folder: emptied between measurements, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import redis

from livetags.embedded import stores
from livetags.runner import prepare_stores
from schemas.settings import Settings


@contextmanager
def running(folder: Path, jars: Path) -> Iterator[Settings]:
    """Settings with the URLs of stores that live as long as the block; `jars` is where the connector's jar is."""
    folder.mkdir(parents=True)
    (folder / "jars").symlink_to(jars.resolve())
    settings = Settings(data_dir=folder)
    try:
        stores.up(settings, lambda text: None)
        settings = stores.resolved(settings)
        prepare_stores(settings)
        yield settings
    finally:
        stores.down(settings)


def empty_redis(settings: Settings) -> None:
    """Forget every profile: a second run from empty state would be refused as older."""
    client = redis.Redis.from_url(settings.redis_url.get_secret_value())
    try:
        client.flushdb()
    finally:
        client.close()


def cpu_s(settings: Settings) -> dict[str, float]:
    """CPU seconds each store has used so far."""
    used = {}
    for name, status in stores.status(settings).items():
        if status.pid is not None:
            times = psutil.Process(status.pid).cpu_times()
            used[name] = times.user + times.system
    return used
