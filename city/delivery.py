"""How badly the records of a city are delivered: what share of them is late, out of order, or comes twice."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_DIRT = 0.5


@dataclass(frozen=True)
class Delivery:
    """How badly records are delivered.

    Attributes
    ----------
    late_share, late_hours
        Share of the records that come an hour to so many hours late.
    shuffle_share
        Share that comes 20 s to 15 minutes late, so after others.
    repeat_share
        Share that comes twice.

    Raises
    ------
    ValueError
        For shares below 0 or of more than half of the records together, or lateness of an hour or less.
    """

    late_share: float = 0.005
    late_hours: float = 20.0
    shuffle_share: float = 0.01
    repeat_share: float = 0.008

    def __post_init__(self) -> None:
        shares = (self.late_share, self.shuffle_share, self.repeat_share)
        if min(shares) < 0 or sum(shares) > _MOST_DIRT:
            msg = f"shares late, shuffled and repeated: expected 0 or more, together at most {_MOST_DIRT}, got "
            raise ValueError(msg + ", ".join(map(str, shares)))
        if self.late_hours <= 1:
            msg = f"hours that records are late: expected more than 1, got {self.late_hours}"
            raise ValueError(msg)
