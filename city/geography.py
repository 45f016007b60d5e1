"""The map: a city of cells on a grid, cut into districts, and two smaller cities in other provinces.

Cells lie 1.3 km apart, so that no two share an H3 hexagon of resolution 8. A district is a block of 3 by 3 cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians

import h3
import numpy as np

from city.clock import MINUTE_MS
from city.rows import Ints

SPACING_KM = 1.3
"""Between neighbouring cells."""
RESOLUTION = 8
"""Of the H3 hexagons in the district dictionary."""
_BLOCK = 3
_KM_PER_DEGREE = 111.2
_FLIGHT_KM_PER_MS = 750 / 3_600_000
_FLIGHT_GROUND_MS = 40 * MINUTE_MS

# Per city: province, latitude and longitude of its north-west corner, blocks a side, kinds from the centre outwards.
_CITIES: tuple[tuple[str, float, float, int, str], ...] = (
    (
        "北京",
        40.02,
        116.22,
        6,
        "business business mall business business business leisure business mall school business station mall "
        + "residential school leisure residential residential residential mall residential residential new_estate "
        + "residential residential leisure school residential residential new_estate residential residential "
        + "new_estate residential new_estate airport",
    ),
    ("上海", 31.25, 121.43, 2, "business residential mall airport"),
    ("广东", 23.15, 113.26, 2, "business residential station airport"),
)
_PREFIXES = (
    "云栖 锦川 东湖 望山 青石 南浦 西岭 兰亭 金桥 翠屏 长风 丹霞 银杏 碧水 松涛 梅园 虹口 星河 白鹭 龙泉 "
    + "凤台 紫竹 玉泉 清河 枫林 海棠 桂苑 朝晖 晨曦 和平 永安 福田 双塔 石桥 柳岸 月湾 申江 浦岸 徐园 虹湾 "
    + "珠江 越秀里 天河里 云岭"
)
_SUFFIXES = {
    "residential": "小区",
    "new_estate": "新城",
    "business": "商务区",
    "mall": "广场",
    "airport": "机场",
    "station": "火车站",
    "school": "大学城",
    "leisure": "公园",
}


@dataclass(frozen=True)
class Geography:
    """Cells and districts by index.

    Attributes
    ----------
    cell_ids, latitude, longitude, district, town, row, column
        Of each cell; `town` is 0 for the home city, 1 and 2 for those of other provinces.
    neighbours, neighbour_count
        Of each cell, its 3 to 8 adjacent cells, first ones valid.
    district_names, district_kinds, district_town, district_cells
        Of each district; the last are the indices of its nine cells.
    provinces
        By town.
    flight_ms
        From town to town.
    """

    cell_ids: list[str]
    latitude: list[float]
    longitude: list[float]
    district: Ints
    town: Ints
    row: Ints
    column: Ints
    neighbours: Ints
    neighbour_count: Ints
    cell_at: Ints
    district_names: list[str]
    district_kinds: list[str]
    district_town: Ints
    district_cells: Ints
    provinces: list[str]
    flight_ms: Ints

    def districts_of(self, kind: str, town: int = 0) -> Ints:
        """Indices of the districts of a kind in a town."""
        found = [
            index
            for index, (its_kind, its_town) in enumerate(zip(self.district_kinds, self.district_town, strict=True))
            if its_kind == kind and its_town == town
        ]
        return np.array(found)

    def random_cell(self, districts: Ints, rng: np.random.Generator) -> Ints:
        """A cell in each of the districts."""
        picked: Ints = self.district_cells[districts, rng.integers(0, _BLOCK * _BLOCK, len(districts))]
        return picked

    def random_neighbour(self, cells: Ints, rng: np.random.Generator) -> Ints:
        """A neighbour of each of the cells."""
        picked: Ints = self.neighbours[cells, (rng.random(len(cells)) * self.neighbour_count[cells]).astype(np.int64)]
        return picked

    def steps(self, start: Ints, end: Ints) -> Ints:
        """Cells crossed from start to end, of the same town; 0 when they are the same."""
        down = np.abs(self.row[end] - self.row[start])
        across = np.abs(self.column[end] - self.column[start])
        steps: Ints = np.maximum(down, across)
        return steps

    def on_path(self, start: Ints, end: Ints, step: Ints, steps: Ints) -> Ints:
        """The cell after `step` of `steps` (at least 1) on the straight way; each is a neighbour of the one before."""
        share = step / steps
        row = np.floor(self.row[start] + (self.row[end] - self.row[start]) * share + 0.5).astype(np.int64)
        column = np.floor(self.column[start] + (self.column[end] - self.column[start]) * share + 0.5).astype(np.int64)
        cell: Ints = self.cell_at[self.town[start], row, column]
        return cell

    def hexagons(self) -> dict[str, int]:
        """H3 hexagon -> district: that of each cell, and those around it that hold no cell."""
        own = {
            h3.latlng_to_cell(latitude, longitude, RESOLUTION): int(district)
            for latitude, longitude, district in zip(self.latitude, self.longitude, self.district, strict=True)
        }
        around: dict[str, int] = {}
        for hexagon, district in own.items():
            for other in h3.grid_disk(hexagon, 1):
                if other not in own:
                    around.setdefault(other, district)
        return own | around


def lay_out(seed: int) -> Geography:
    """The map of a seed: which block is which kind of district varies, the grid does not."""
    rng = np.random.default_rng([seed, 1])
    towns = [_town(number, rng) for number in range(len(_CITIES))]
    town, row, column, block = (np.concatenate(parts) for parts in zip(*towns, strict=True))
    blocks_before = np.cumsum([0] + [side * side for *_, side, _ in _CITIES])
    district = block + blocks_before[town]
    side = max(side for *_, side, _ in _CITIES) * _BLOCK
    cell_at = np.full((len(_CITIES), side + 2, side + 2), -1)
    cell_at[town, row, column] = np.arange(len(town))
    around = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]
    # Row or column -1 wraps to the unused margin at the far end.
    beside = np.stack([cell_at[town, row + down, column + across] for down, across in around], axis=1)
    corners = [(latitude, longitude) for _, latitude, longitude, _, _ in _CITIES]
    latitude = [corners[t][0] - r * SPACING_KM / _KM_PER_DEGREE for t, r in zip(town, row, strict=True)]
    longitude = [
        corners[t][1] + c * SPACING_KM / (_KM_PER_DEGREE * cos(radians(corners[t][0])))
        for t, c in zip(town, column, strict=True)
    ]
    kinds = [kind for *_, listed in _CITIES for kind in listed.split()]
    return Geography(
        cell_ids=[f"460-{t + 1:02d}-{r:02d}{c:02d}" for t, r, c in zip(town, row, column, strict=True)],
        latitude=[round(float(degrees), 6) for degrees in latitude],
        longitude=[round(float(degrees), 6) for degrees in longitude],
        district=district,
        town=town,
        row=row,
        column=column,
        neighbours=-np.sort(-beside, axis=1),
        neighbour_count=(beside >= 0).sum(axis=1),
        cell_at=cell_at,
        district_names=[f"{prefix}{_SUFFIXES[kind]}" for prefix, kind in zip(_PREFIXES.split(), kinds, strict=True)],
        district_kinds=kinds,
        district_town=np.repeat(np.arange(len(_CITIES)), np.diff(blocks_before)),
        district_cells=np.argsort(district, kind="stable").reshape(-1, _BLOCK * _BLOCK),
        provinces=[province for province, *_ in _CITIES],
        flight_ms=_flights(corners),
    )


def _town(number: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Of each cell of a town: its number, row, column, and its block's place in the town's list of kinds."""
    blocks = _CITIES[number][3]
    side = blocks * _BLOCK
    row, column = np.divmod(np.arange(side * side), side)
    centre = (blocks - 1) / 2
    down, across = np.divmod(np.arange(blocks * blocks), blocks)
    distance = np.hypot(down - centre, across - centre) + rng.uniform(0, 0.9, blocks * blocks)
    distance[-1] = np.inf  # the airport keeps to a corner
    place = np.argsort(np.argsort(distance))
    return np.full(len(row), number), row, column, place[row // _BLOCK * blocks + column // _BLOCK]


def _flights(corners: list[tuple[float, float]]) -> Ints:
    kilometres = np.array([[h3.great_circle_distance(a, b, unit="km") for b in corners] for a in corners])
    return (kilometres / _FLIGHT_KM_PER_MS + _FLIGHT_GROUND_MS).astype(np.int64)
