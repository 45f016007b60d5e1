"""Publishing a new version of the dictionaries to the jobs that run."""

from __future__ import annotations

import time
from pathlib import Path

from schemas.dictionary_update import DictionaryUpdate, pack_update
from schemas.settings import Settings
from sources.dictionaries import load


def updates_folder(settings: Settings) -> str:
    """Folder the running jobs watch, as a URI; the embedded default's is made if it is not there."""
    if settings.dictionary_updates:
        return settings.dictionary_updates
    folder = settings.data_dir.absolute() / "dictionary-updates"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.as_uri()


def publish_dictionaries(settings: Settings, folder: Path) -> tuple[Path, str]:
    """Check the dictionaries in `folder` and hand them to the running jobs; returns the file written and the version.

    Raises
    ------
    DictionaryError
        When they can't be used: then nothing is published.
    ValueError
        When the jobs watch a folder that is not on this machine.
    """
    target = updates_folder(settings)
    if not target.startswith(("file:", "/")):
        msg = (
            f"dictionary_updates is {target}, not a folder of this machine: publish to a local folder and copy the file"
        )
        raise ValueError(msg)
    dictionaries = load(folder)
    published_ms = int(time.time() * 1000)
    file = Path(target.removeprefix("file://").removeprefix("file:")) / f"{published_ms}-{dictionaries.version}.txt"
    part = file.with_name("." + file.name)  # the jobs don't look at names that begin with a dot
    part.write_text(pack_update(DictionaryUpdate(published_ms, dictionaries)) + "\n")
    part.replace(file)
    return file, dictionaries.version
