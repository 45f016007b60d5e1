"""What a job that runs for ever needs, on this machine: a city as of now, a broker, stores, a folder for all that.

The folder is ``live`` in the data folder. It begins empty each time, so nothing of it mixes with other runs.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from livetags.checked_rules import checked_rules
from livetags.embedded import jars, java, stores
from livetags.embedded.kafka_broker import KafkaBroker
from livetags.feed_topics import make_topics
from livetags.inputs import KAFKA_SCHEME, Input, resolve
from livetags.live_city import DAYS, CityStream, due, shift_ms, utc_offset_hours
from livetags.rule_updates import publish
from livetags.scenes import scenes_folder
from schemas.settings import EMBEDDED, Settings
from sources import FEEDS

_LOCK = ".lock"
_SETTINGS = "settings.yaml"


class LiveRuns(RuntimeError):
    """Another `livetags live` has the folder."""


@dataclass(frozen=True)
class Live:
    """What runs.

    Attributes
    ----------
    settings
        Of the job, with the stores' real URLs.
    settings_file
        The same for other commands, stores by name; no secrets.
    brokers
        ``kafka://host:port``.
    inputs
        Topics of every feed of the city's people.
    city
        Their records, not begun yet.
    scenes
        How many of the shipped rules are published.
    """

    settings: Settings
    settings_file: Path
    brokers: str
    inputs: list[Input]
    city: CityStream
    scenes: int


@contextmanager
def live(given: Settings, people: int, seed: int, say: Callable[[str], None]) -> Iterator[Live]:
    """Start all of it but the job; everything that was started has ended when the block is left.

    Raises
    ------
    LiveRuns
        When the folder is another's.
    """
    from city.building import build

    folder = given.data_dir.absolute() / "live"
    with _claimed(folder):
        by_ms = shift_ms(int(time.time() * 1000))
        chosen = given.model_copy(
            update={
                "data_dir": folder,
                "jars_dir": given.jars_dir.absolute(),
                "redis_url": SecretStr(EMBEDDED),
                "clickhouse_url": SecretStr(EMBEDDED),
                "utc_offset_hours": float(utc_offset_hours(by_ms)),
                "dictionaries_dir": None,
                "kafka_properties": {},
            }
            | dict.fromkeys(("checkpoint_dir", "dictionary_updates", "rule_updates", "rule_topic", "trigger_topic"), "")
        )
        stores.down(chosen)  # of one that was killed
        _empty(folder)
        say(f"making a city of {people:,} people")
        build(folder / "city", people, DAYS, seed)
        (folder / "city" / "dictionaries").rename(folder / "dictionaries")
        try:
            say("starting the stores")
            stores.up(chosen, say)
            say("starting the broker (the first time its jars are fetched, 50 MB)")
            broker_jars = jars.fetch("kafka-broker", chosen.jars_dir)
            with KafkaBroker(folder / "broker", java.java_home(), broker_jars) as broker:
                brokers = KAFKA_SCHEME + broker.bootstrap
                make_topics(broker.bootstrap, 1)
                inputs = [source for feed in FEEDS.values() if feed.linked for source in resolve(feed.name, brokers)]
                say("publishing the shipped scenes")
                scenes = [each.rule for each in checked_rules([scenes_folder()], chosen)]
                publish(chosen, scenes)
                city = CityStream(due(folder / "city", by_ms), inputs)
                yield Live(stores.resolved(chosen), _written(chosen), brokers, inputs, city, len(scenes))
        finally:
            stores.down(chosen)


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = (
                f"`livetags live` runs already over {folder}: end that one with Ctrl-C, or give this one another "
                "folder by LIVETAGS_DATA_DIR"
            )
            raise LiveRuns(msg) from None
        yield


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != _LOCK:
            each.unlink()


def _written(chosen: Settings) -> Path:
    """The settings as a file, for commands in other terminals; JSON is YAML too."""
    file = chosen.data_dir / _SETTINGS
    told = json.loads(chosen.public()) | {"data_dir": str(chosen.data_dir), "jars_dir": str(chosen.jars_dir)}
    file.write_text(json.dumps(told, indent=2) + "\n")
    return file
