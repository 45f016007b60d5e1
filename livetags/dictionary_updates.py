"""Publishing a new version of the dictionaries to the jobs that run."""

from __future__ import annotations

import time
from pathlib import Path

from livetags.watched_folder import drop, folder_uri, local_folder
from schemas.dictionaries import Dictionaries
from schemas.dictionary_update import DictionaryUpdate, pack_update, read_update
from schemas.settings import Settings
from sources.dictionaries import load
from sources.rule_folder import local_path

_FOLDER = "dictionary-updates"


def updates_folder(settings: Settings) -> str:
    """Folder the running jobs watch, as a URI; the embedded default's is made if it is not there."""
    return folder_uri(settings, settings.dictionary_updates, _FOLDER)


def dictionaries_in_force(settings: Settings) -> Dictionaries:
    """The dictionaries that were published last, as running jobs use them; before any was, those of the settings.

    Raises
    ------
    DictionaryError, DamagedUpdate
        When they can't be read.
    """
    chosen = settings.dictionary_updates
    folder = local_path(chosen) if chosen else settings.data_dir / _FOLDER
    files = [file for file in folder.iterdir() if not file.name.startswith(".")] if folder and folder.is_dir() else []
    updates = [read_update(line) for file in files for line in file.read_text().splitlines()]
    if updates:
        return max(updates, key=lambda update: update.published_ms).dictionaries
    return load(settings.dictionaries_folder())


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
