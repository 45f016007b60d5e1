"""The scenes that come with livetags: rules for situations of a telecom operator, ready to be published."""

from __future__ import annotations

from pathlib import Path


def scenes_folder() -> Path:
    """Folder of the shipped rules, one YAML file each, named by the rule's id."""
    return Path(__file__).resolve().parents[1] / "scenes"
