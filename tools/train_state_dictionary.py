"""Trains the zstd dictionary of the state's schema version from profiles of a simulated city.

    python tools/train_state_dictionary.py

Writes schemas/state_v<version>.zdict. A dictionary belongs to its version for good: with another one, state written
before could not be read. So this is run once, when a version is made, before anything was written with it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import zstandard

from city.building import build
from livetags.in_process import replay
from livetags.inputs import resolve
from schemas import state
from schemas.pseudonym_keys import PseudonymKeys
from schemas.settings import Settings
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms

_BYTES = 4_096
_SUBSCRIBERS, _DAYS, _SEED = 150, 30, 2_026


def main() -> None:
    """Train and write."""
    with tempfile.TemporaryDirectory() as folder:
        city = Path(folder)
        build(city, _SUBSCRIBERS, _DAYS, _SEED)
        keys = KeyedPseudonyms(PseudonymKeys("k1", {"k1": "00" * 32}, "00" * 32))
        inputs = resolve("all", str(city))
        replayed = replay(inputs, Settings(), keys, load(city / "dictionaries"), int(time.time() * 1000))
    encode = msgspec.msgpack.Encoder().encode
    samples = [encode(state.decode(blob)) for blob in replayed.people.values()]
    file = Path(__file__).parents[1] / "schemas" / f"state_v{state.SCHEMA_VERSION}.zdict"
    # a trained dictionary needs many samples; the same ones several times do
    file.write_bytes(zstandard.train_dictionary(_BYTES, samples * 4).as_bytes())
    print(f"{file.name}: {file.stat().st_size:,} bytes from {len(samples)} profiles")


if __name__ == "__main__":
    main()
