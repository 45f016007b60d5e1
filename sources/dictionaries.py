"""Reading the dictionaries: CSV files in UTF-8 with a header, in one folder.

| file | columns |
|---|---|
| `cells.csv` | `cell_id`, `latitude`, `longitude` (degrees), `province`, `neighbours` (cell ids with spaces between) |
| `districts.csv` | `h3` (a hexagon of the district), `district`, `kind`, `province`; one H3 resolution in the file |
| `apps.csv` | `alias`, `app`, `category` |
| `devices.csv` | `alias`, `brand`, `model`, `os`, `price_band` (low, mid, high, premium), `launch_year` (or empty) |
| `regions.csv` | `alias`, `region` |
| `keywords.csv` | `keyword`, `intent` |
| `attributes.csv` | `attribute`, `value`: what a missing attribute of a registration is filled with |

Columns may stand in any order, more of them are ignored, lines before the header that begin with ``#`` are comments.
Aliases and keywords are found in any case; an app, a region, and a device as "brand model" are aliases of themselves.
Provinces are written as the regions spell them. A file that is not in the folder is taken from `sources/data`: its
attributes and devices are placeholders, to be replaced by the operator's own; cells and districts have no default.

A cell's district is that of the H3 hexagon it stands in. Source of the grid: h3geo.org.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from sys import intern
from typing import Any, NoReturn, TypeVar

import h3

from schemas.dictionaries import App, Cell, Device, Dictionaries, District

DISTRICT_KINDS = ("residential", "new_estate", "business", "mall", "airport", "station", "school", "leisure")
PRICE_BANDS = ("low", "mid", "high", "premium")
ATTRIBUTES = (
    "age",
    "gender",
    "region",
    "activation_time_ms",
    "device_brand",
    "device_model",
    "device_os",
    "device_price_band",
    "device_launch_year",
    "occupation",
    "plan_tier",
)
"""Attributes of `schemas.events.Registration` that can be filled."""

_DEFAULTS = Path(__file__).parent / "data"
_COLUMNS = {
    "cells.csv": ("cell_id", "latitude", "longitude", "province", "neighbours"),
    "districts.csv": ("h3", "district", "kind", "province"),
    "apps.csv": ("alias", "app", "category"),
    "devices.csv": ("alias", "brand", "model", "os", "price_band", "launch_year"),
    "regions.csv": ("alias", "region"),
    "keywords.csv": ("keyword", "intent"),
    "attributes.csv": ("attribute", "value"),
}
_SHOWN = 60
_T = TypeVar("_T")


class DictionaryError(ValueError):
    """A dictionary can't be used; the text says which file and line, what was got, what was expected, what to do."""


def load(folder: Path | None = None) -> Dictionaries:
    """All dictionaries of a folder; without one, the defaults.

    Raises
    ------
    DictionaryError
        For a folder that is not there, and for the first line of a file that can't be used.
    """
    if folder is not None and not folder.is_dir():
        msg = f"no such dictionary folder: {folder}; expected a folder with any of {', '.join(_COLUMNS)}"
        raise DictionaryError(msg)
    if folder is not None and not any((folder / name).is_file() for name in _COLUMNS):
        msg = f"folder {folder} holds no dictionary: expected any of {', '.join(_COLUMNS)} in it, not in a folder below"
        raise DictionaryError(msg)
    tables = {name: _Table(name, columns, folder) for name, columns in _COLUMNS.items()}
    regions = _regions(tables["regions.csv"])
    districts, district_of_hexagon, resolution = _districts(tables["districts.csv"], regions)
    digest = blake2b(digest_size=8)
    for name, table in tables.items():
        content = table.content or b""
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return Dictionaries(
        version=digest.hexdigest(),
        cells=_cells(tables["cells.csv"], regions, district_of_hexagon, resolution),
        districts=districts,
        apps=_apps(tables["apps.csv"]),
        devices=_devices(tables["devices.csv"]),
        regions=regions,
        keywords=_keywords(tables["keywords.csv"]),
        attributes=_attributes(tables["attributes.csv"]),
    )


class _Table:
    """One file: its bytes, and its rows with the line each stands in."""

    def __init__(self, name: str, columns: tuple[str, ...], folder: Path | None) -> None:
        self.columns = columns
        self.file = (folder or _DEFAULTS) / name
        if not self.file.is_file():
            self.file = _DEFAULTS / name
        self.content = self.file.read_bytes() if self.file.is_file() else None
        self.line = 1

    def rows(self, optional: str = "") -> Iterator[list[str]]:
        """Fields of each row in the order of `columns`, without blanks around them; only the optional one is empty."""
        if self.content is None:
            return
        reader = csv.reader(io.StringIO(self._text(self.content), newline=""), strict=True)
        header: list[str] | None = None
        try:
            for row in reader:
                self.line = reader.line_num
                if not row or (header is None and row[0].startswith("#")):
                    continue
                if header is None:
                    header = [name.strip() for name in row]
                    places = self._places(header)
                    continue
                if len(row) != len(header):
                    self.refuse(f"{len(row)} fields", f"{len(header)} as in the header", "quote fields with commas")
                fields = [row[place].strip() for place in places]
                if "" in fields:
                    for column, field in zip(self.columns, fields, strict=True):
                        if not field and column != optional:
                            self.refuse(f"no {column}", "one in every row", "fill it in or delete the row")
                yield fields
        except csv.Error as error:
            self.line = reader.line_num
            self.refuse(f"{error}", "CSV", "check the quotes, a quote in a quoted field is written twice")
        if header is None:
            self.refuse("no header", f"a line with {','.join(self.columns)}", "put it first")

    def _text(self, content: bytes) -> str:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.line = content.count(b"\n", 0, error.start) + 1
            self.refuse("bytes that are not UTF-8", "UTF-8", "save the file in that encoding")

    def _places(self, header: list[str]) -> list[int]:
        for column in self.columns:
            if header.count(column) != 1:
                self.refuse(f"the header {','.join(header)}", f"each of {','.join(self.columns)} once", "correct it")
        return [header.index(column) for column in self.columns]

    def put(self, known: dict[str, _T], name: str, meaning: _T) -> None:
        """Add a name, refuse a second meaning of one already there."""
        if known.setdefault(name, meaning) != meaning:
            self.refuse(f"{name!r} again with another meaning", "one meaning of each name", "delete one of the rows")

    def one_of(self, what: str, value: str, known: tuple[str, ...]) -> str:
        """The value, which must be one of the known."""
        if value not in known:
            self.refuse(f"{what} {value!r}", f"one of {', '.join(known)}", "use one of them")
        return intern(value)

    def number(self, what: str, value: str, low: float, high: float) -> float:
        """The value as a number in a range."""
        try:
            number = float(value)
        except ValueError:
            number = low - 1.0
        if not low <= number <= high:
            self.refuse(f"{what} {value[:_SHOWN]!r}", f"a number from {low:g} to {high:g}", "correct it")
        return number

    def whole(self, what: str, value: str) -> int:
        """The value as a whole number that is not negative."""
        if not (value.isascii() and value.isdigit() and len(value) <= 15):
            self.refuse(f"{what} {value[:_SHOWN]!r}", "a whole number in digits", "correct it")
        return int(value)

    def refuse(self, got: str, expected: str, remedy: str) -> NoReturn:
        """Give up on the file at its present line."""
        msg = f"{self.file}, line {self.line}: got {got}, expected {expected}: {remedy}"
        raise DictionaryError(msg) from None


def _regions(table: _Table) -> dict[str, str]:
    regions: dict[str, str] = {}
    for alias, region in table.rows():
        table.put(regions, alias.lower(), intern(region))
    for region in set(regions.values()):
        regions.setdefault(region.lower(), region)
    return regions


def _districts(table: _Table, regions: dict[str, str]) -> tuple[dict[str, District], dict[str, str], int]:
    """Districts, district of each hexagon, resolution of the hexagons."""
    district_of_hexagon: dict[str, str] = {}
    described: dict[str, tuple[str, str]] = {}
    middles: dict[str, list[tuple[float, float]]] = {}
    resolution = -1
    for hexagon, name, kind, province in table.rows():
        hexagon = hexagon.lower()
        if not h3.is_valid_cell(hexagon):
            table.refuse(f"h3 {hexagon[:_SHOWN]!r}", "an H3 cell index like 8831aa5735fffff", "correct it")
        found = int(h3.get_resolution(hexagon))
        if resolution < 0:
            resolution = found
        if found != resolution:
            table.refuse(f"a hexagon of resolution {found}", f"{resolution} as in the first row", "use one resolution")
        name = intern(name)
        province = regions.get(province.lower(), intern(province))
        table.put(described, name, (table.one_of("kind", kind, DISTRICT_KINDS), province))
        if hexagon not in district_of_hexagon:
            middles.setdefault(name, []).append(h3.cell_to_latlng(hexagon))
        table.put(district_of_hexagon, hexagon, name)
    districts = {
        name: District(
            kind,
            province,
            sum(latitude for latitude, _ in middles[name]) / len(middles[name]),
            sum(longitude for _, longitude in middles[name]) / len(middles[name]),
        )
        for name, (kind, province) in described.items()
    }
    return districts, district_of_hexagon, resolution


def _cells(
    table: _Table, regions: dict[str, str], district_of_hexagon: dict[str, str], resolution: int
) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    latlng_to_cell: Any = h3.latlng_to_cell
    for cell_id, latitude_text, longitude_text, province, neighbours in table.rows(optional="neighbours"):
        latitude = table.number("latitude", latitude_text, -90.0, 90.0)
        longitude = table.number("longitude", longitude_text, -180.0, 180.0)
        district = ""
        if district_of_hexagon:
            district = district_of_hexagon.get(latlng_to_cell(latitude, longitude, resolution), "")
        cell = Cell(
            latitude,
            longitude,
            district,
            regions.get(province.lower(), intern(province)),
            frozenset(map(intern, neighbours.split())),
        )
        table.put(cells, intern(cell_id), cell)
    return cells


def _apps(table: _Table) -> dict[str, App]:
    apps: dict[str, App] = {}
    category_of: dict[str, App] = {}
    for alias, name, category in table.rows():
        app = App(intern(name), intern(category))
        table.put(category_of, name.lower(), app)
        table.put(apps, alias.lower(), app)
    return category_of | apps


def _devices(table: _Table) -> dict[str, Device]:
    devices: dict[str, Device] = {}
    models: dict[str, Device] = {}
    for alias, brand, model, os, price_band, launch_year in table.rows(optional="launch_year"):
        device = Device(
            intern(brand),
            intern(model),
            intern(os),
            table.one_of("price_band", price_band, PRICE_BANDS),
            table.whole("launch_year", launch_year or "0"),
        )
        table.put(models, f"{brand} {model}".lower(), device)
        table.put(devices, alias.lower(), device)
    return models | devices


def _keywords(table: _Table) -> tuple[tuple[str, str], ...]:
    intents: dict[str, str] = {}
    for keyword, intent in table.rows():
        table.put(intents, keyword.lower(), intern(intent))
    return tuple(sorted(intents.items(), key=lambda item: (-len(item[0]), item[0])))


def _attributes(table: _Table) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for attribute, value in table.rows():
        table.one_of("attribute", attribute, ATTRIBUTES)
        if attribute in ("age", "activation_time_ms", "device_launch_year"):
            table.whole(attribute, value)
        elif attribute == "gender":
            table.one_of("gender", value, ("female", "male"))
        elif attribute == "device_price_band":
            table.one_of("device_price_band", value, PRICE_BANDS)
        table.put(attributes, attribute, value)
    return attributes
