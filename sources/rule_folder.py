"""Reading the folder of rules that `livetags rules publish` fills and running jobs watch."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from schemas.rule_log import RuleLog
from schemas.rule_update import DamagedRules, read_rules


def local_path(uri: str) -> Path | None:
    """The folder a URI names, if it is one of this machine; None: it is elsewhere, or there is none."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if uri and parts.scheme in ("", "file") else None


def read_rule_folder(folder: Path) -> RuleLog:
    """All that was published in a folder of this machine; nothing, if it is not there.

    Names that begin with a dot are files that are still written.

    Raises
    ------
    DamagedRules
        When a file holds anything but updates of the rules.
    """
    log = RuleLog()
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            for line in file.read_text().splitlines():
                log.take(read_rules(line))
        except (DamagedRules, UnicodeDecodeError):
            msg = f"{file} is damaged: expected an update of the rules; delete it and publish its rules again"
            raise DamagedRules(msg) from None
    return log
