"""The dictionaries the network itself has: cells, districts, apps, devices, regions, keywords, as CSV files.

And `attributes.csv`: what is usual among the subscribers, the median of numbers and the mode of words.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from city.catalogue import APPS, DEVICES, GENDERS, INTENTS, OCCUPATIONS, PLANS, REGIONS
from city.geography import Geography
from city.population import People
from city.rows import Ints


def write(folder: Path, geography: Geography, people: People) -> None:
    """Write all of them. Aliases are in lower case; every name and host is an alias of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    _table(
        folder / "cells.csv",
        ("cell_id", "latitude", "longitude", "province", "neighbours"),
        (
            (
                cell,
                geography.latitude[index],
                geography.longitude[index],
                geography.provinces[geography.town[index]],
                " ".join(
                    geography.cell_ids[beside]
                    for beside in geography.neighbours[index, : geography.neighbour_count[index]]
                ),
            )
            for index, cell in enumerate(geography.cell_ids)
        ),
    )
    _table(
        folder / "districts.csv",
        ("h3", "district", "kind", "province"),
        (
            (
                hexagon,
                geography.district_names[district],
                geography.district_kinds[district],
                geography.provinces[geography.district_town[district]],
            )
            for hexagon, district in sorted(geography.hexagons().items())
        ),
    )
    _table(
        folder / "apps.csv",
        ("alias", "app", "category"),
        ((alias, app.name, app.category) for app in APPS for alias in _aliases(app.name, app.host, *app.variants)),
    )
    _table(
        folder / "devices.csv",
        ("alias", "brand", "model", "os", "price_band", "launch_year"),
        (
            (alias, device.brand, device.model, device.os, device.price_band, device.launch_year)
            for device in DEVICES
            for alias in _aliases(device.model, *device.variants)
        ),
    )
    _table(
        folder / "regions.csv",
        ("alias", "region"),
        ((alias, region.name) for region in REGIONS for alias in _aliases(region.name, *region.variants)),
    )
    _table(
        folder / "keywords.csv",
        ("keyword", "intent"),
        ((word.lower(), intent.name) for intent in INTENTS for word in intent.words),
    )
    _table(folder / "attributes.csv", ("attribute", "value"), _usual(people).items())


def _usual(people: People) -> dict[str, str]:
    device = DEVICES[_mode(people.device)]
    return {
        "age": str(int(np.median(people.age))),
        "gender": GENDERS[_mode(people.gender)],
        "region": REGIONS[_mode(people.region)].name,
        "device_brand": device.brand,
        "device_model": device.model,
        "device_os": device.os,
        "device_price_band": device.price_band,
        "device_launch_year": str(device.launch_year),
        "occupation": OCCUPATIONS[_mode(people.occupation[people.occupation > 0])],
        "plan_tier": PLANS[_mode(people.plan)][0],
    }


def _mode(values: Ints) -> int:
    return int(np.bincount(values).argmax())


def _aliases(*spellings: str) -> list[str]:
    return list(dict.fromkeys(spelling.lower() for spelling in spellings))


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
