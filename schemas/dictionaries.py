"""Dictionaries: what the network's own names mean. Data, not code: read from CSV files by `sources.dictionaries`."""

from __future__ import annotations

from msgspec import Struct


class Cell(Struct, frozen=True):
    """A cell: where it is, and the cells a phone may hop to and fro between without moving.

    Attributes
    ----------
    latitude, longitude
        Degrees.
    district
        Business district of the cell's H3 hexagon; empty when the dictionary has none there.
    province
        By name.
    neighbours
        Ids of neighbouring cells.
    """

    latitude: float
    longitude: float
    district: str
    province: str
    neighbours: frozenset[str]


class District(Struct, frozen=True):
    """A business district: kind (residential, new_estate, business, mall, airport, station, school, leisure), province,
    and the middle of its hexagons in degrees.
    """

    kind: str
    province: str
    latitude: float
    longitude: float


class App(Struct, frozen=True):
    """An app or site by its one name, and its content category."""

    name: str
    category: str


class Device(Struct, frozen=True):
    """A model of phone; price band low, mid, high or premium."""

    brand: str
    model: str
    os: str
    price_band: str
    launch_year: int


class Dictionaries(Struct, frozen=True):
    """All dictionaries of one version.

    Attributes
    ----------
    version
        Digest of the files they were read from.
    cells
        Cell id -> cell.
    districts
        Name -> district.
    apps, devices, regions
        Alias in lower case -> what it means. A region's value is its one spelling.
    keywords
        (word in lower case, intent), longest word first.
    attributes
        Attribute -> what a missing one is filled with: the population's median or mode, as text.
    """

    version: str = ""
    cells: dict[str, Cell] = {}
    districts: dict[str, District] = {}
    apps: dict[str, App] = {}
    devices: dict[str, Device] = {}
    regions: dict[str, str] = {}
    keywords: tuple[tuple[str, str], ...] = ()
    attributes: dict[str, str] = {}


NO_DICTIONARIES = Dictionaries()
