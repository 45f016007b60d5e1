"""Publishing a new version of the dictionaries to the jobs that run."""

from __future__ import annotations

import time
from pathlib import Path

from livetags.watched_folder import drop, folder_uri, local_folder
from schemas.dictionary_update import DictionaryUpdate, pack_update
from schemas.settings import Settings
from sources.dictionaries import load


def updates_folder(settings: Settings) -> str:
    """Folder the running jobs watch, as a URI; the embedded default's is made if it is not there."""
    return folder_uri(settings, settings.dictionary_updates, "dictionary-updates")


def publish_dictionaries(settings: Settings, folder: Path) -> tuple[Path, str]:
    """Check the dictionaries in `folder` and hand them to the running jobs; returns the file written and the version.

    Raises
    ------
    DictionaryError
        When they can't be used: then nothing is published.
    ValueError
        When the jobs watch a folder that is not on this machine.
    """
    target = local_folder(updates_folder(settings), "dictionary_updates")
    dictionaries = load(folder)
    published_ms = int(time.time() * 1000)
    update = pack_update(DictionaryUpdate(published_ms, dictionaries))
    return drop(target, f"{published_ms}-{dictionaries.version}.txt", update), dictionaries.version
