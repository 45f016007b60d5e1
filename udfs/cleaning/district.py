"""Spatial aggregation: a presence leaves cleaning with its business district; the cell stays behind."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Presence
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.correction import Correction


def district(event: Presence, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Replace the cell by its district, the district's kind and the province.

    The province the network named wins over the dictionary's. A cell outside of every district leaves it empty.
    """
    cell = rules.dictionaries.cells.get(event.cell)
    if cell is None:
        raise Rejected(Reason.CELL_UNKNOWN)
    event.cell = ""
    event.district = cell.district
    known = rules.dictionaries.districts.get(cell.district)
    event.district_kind = "" if known is None else known.kind
    if not event.province and cell.province:
        event.province = cell.province
        corrections.append(Correction.PROVINCE_FILLED)
