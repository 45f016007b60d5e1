"""How good a cleaning step is against labelled records."""

from __future__ import annotations

from collections.abc import Set


def precision_recall(labelled: Set[object], found: Set[object]) -> tuple[float, float]:
    """Share of the found that are labelled, share of the labelled that were found; 1 where there is nothing to miss."""
    hits = len(labelled & found)
    return hits / len(found) if found else 1.0, hits / len(labelled) if labelled else 1.0
