"""Bodies as HTTP carries them: plain, gzip, deflate, lz4 or zstd, decoded piece by piece and bounded in size."""

from __future__ import annotations

import contextlib
import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from livetags.embedded.front_error import FrontError

_CHUNK = 1 << 20


class Decoder(Protocol):
    """What the decompressors of lz4, zstd and zlib are brought to: bounded output, concatenated frames."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces of the next data."""

    def end(self) -> None:
        """Raise where the data was cut short."""


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def end(self) -> None:
        return


class _Frames:
    """Decodes one frame after another: clickhouse-connect sends a frame per block."""

    def __init__(self, new: Callable[[], Any]) -> None:
        self._new = new
        self._current = new()
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._current.eof:
                self._current = self._new()
            self._started = True
            # Bounded pieces: a few hundred bytes can stand for gigabytes, and the limit must see them come.
            yield self._current.decompress(data, _CHUNK)
            while not self._current.eof and not self._current.needs_input:
                yield self._current.decompress(b"", _CHUNK)
            data = (self._current.unused_data or b"") if self._current.eof else b""

    def end(self) -> None:
        if self._started and not self._current.eof:
            message = "compressed data ends before its end mark"
            raise EOFError(message)


class _Zlib:
    """zlib's decompressor with the interface of the others."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, limit: int) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, limit)
        # A full piece may hide more output, even where all input is consumed.
        self.needs_input = len(output) < limit and not self._inner.unconsumed_tail
        return output


def decoder_of(encoding: str) -> Decoder:
    """Decoder of a Content-Encoding.

    Raises
    ------
    FrontError
        For one that is unknown, or whose library is not installed.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Identity()
    if name == "gzip":
        return _Frames(lambda: _Zlib(31))
    if name == "deflate":
        return _Frames(lambda: _Zlib(15))
    modules = {"lz4": ("lz4.frame", "LZ4FrameDecompressor"), "zstd": ("backports.zstd", "ZstdDecompressor")}
    if name in modules:
        module, kind = modules[name]
        with contextlib.suppress(ImportError):
            return _Frames(getattr(importlib.import_module(module), kind))
    message = f"Unknown Content-Encoding '{name[:20]}'. Send lz4, zstd, gzip, deflate or identity."
    raise FrontError(89, "UNKNOWN_COMPRESSION_METHOD", message, status=400, close=True)
