"""A folder that running jobs watch: new files in it reach them within a second or two."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from schemas.settings import Settings


def folder_uri(settings: Settings, chosen: str, name: str) -> str:
    """URI of the folder a setting has chosen, or of the embedded default's own, `name` under the data."""
    return chosen or made(settings.data_dir.absolute() / name).as_uri()


def local_folder(uri: str, setting: str) -> Path:
    """The folder as a path of this machine, made if it is not there.

    Raises
    ------
    ValueError
        When it is elsewhere.
    """
    if not uri.startswith(("file:", "/")):
        msg = f"{setting} is {uri}, not a folder of this machine: use a local folder and copy its files there"
        raise ValueError(msg)
    return made(Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri))


def made(folder: Path) -> Path:
    """The folder, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drop(folder: Path, name: str, text: str) -> Path:
    """Put a file of one line into the folder, in one step: nobody sees half of it."""
    file = folder / name
    part = file.with_name("." + file.name)  # the jobs don't look at names that begin with a dot
    part.write_text(text + "\n")
    part.replace(file)
    return file
