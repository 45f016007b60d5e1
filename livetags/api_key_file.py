"""The file with the API keys of readers over HTTP: hashes only, readable by its owner only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from livetags.private_file import write_private
from schemas.settings import Settings
from serving.http.api_keys import ApiKey, KeyFile

FILE = "api-keys.json"


def api_keys_file(settings: Settings) -> Path:
    """Where the keys are."""
    return settings.api_keys_file or settings.data_dir / FILE


def write_api_keys(file: Path, keys: Sequence[ApiKey]) -> None:
    """Write the file in one step; a running API takes it up within a second."""
    write_private(file, msgspec.json.format(msgspec.json.encode(KeyFile(list(keys)))).decode() + "\n")
