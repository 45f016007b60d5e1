"""Position of a record as one 64-bit integer: 7 bits feed number, 16 bits partition, 40 bits offset."""

from __future__ import annotations

PARTITION_SHIFT = 40
FEED_SHIFT = 56
PARTITIONS = 1 << (FEED_SHIFT - PARTITION_SHIFT)
_OFFSET_MASK = (1 << PARTITION_SHIFT) - 1
_PARTITION_MASK = PARTITIONS - 1


def pack_position(feed_number: int, partition: int, offset: int) -> int:
    """Feed number (< 128), partition or file index (< 65,536) and offset or record number (< 2**40) as one integer."""
    return (feed_number << FEED_SHIFT) | (partition << PARTITION_SHIFT) | offset


def unpack_position(position: int) -> tuple[int, int, int]:
    """Inverse of `pack_position`: feed number, partition, offset."""
    return position >> FEED_SHIFT, (position >> PARTITION_SHIFT) & _PARTITION_MASK, position & _OFFSET_MASK
