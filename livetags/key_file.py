"""The file with the pseudonyms' keys of the embedded default: made once, readable by its owner only."""

from __future__ import annotations

from pathlib import Path

from livetags.private_file import write_private
from schemas.pseudonym_keys import KeysError, PseudonymKeys, new_keys
from schemas.settings import KEYS_FILE, Settings


def key_file(settings: Settings) -> Path:
    """Where the keys are unless the environment holds them."""
    return settings.pseudonym_keys_file or settings.data_dir / KEYS_FILE


def ensure_keys(settings: Settings, *, in_use: bool = False) -> PseudonymKeys:
    """The keys; makes the embedded default's file when there is none, nothing else is said, and none are in use yet.

    Raises
    ------
    KeysError
        When keys are said to be somewhere and are not, or can't be used; or when the stores hold pseudonyms made with
        keys that are gone: with fresh ones everybody would be a stranger, and who was erased would be back.
    """
    said = settings.pseudonym_keys.get_secret_value() or settings.pseudonym_keys_file is not None
    if in_use and not said and not key_file(settings).exists():
        msg = (
            f"the stores hold pseudonyms, but {key_file(settings)}, which has their keys, is gone: put it back, or "
            "name the keys by LIVETAGS_PSEUDONYM_KEYS or LIVETAGS_PSEUDONYM_KEYS_FILE, or begin anew with "
            "`livetags reset`"
        )
        raise KeysError(msg)
    if not said and not key_file(settings).exists():
        write_keys(key_file(settings), new_keys())
    return settings.keys()


def write_keys(file: Path, keys: PseudonymKeys) -> None:
    """Write the file in one step; nobody but its owner can read it at any time."""
    write_private(file, keys.to_json() + "\n")
