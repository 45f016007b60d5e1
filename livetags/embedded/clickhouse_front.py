"""A loopback HTTP front over chDB, so that ClickHouse clients speak to it as to a server.

``python -m livetags.embedded.clickhouse_front --data DIR --port N`` opens the embedded engine over DIR
(one process per folder: the engine locks it) and answers the part of the ClickHouse HTTP interface
that clickhouse-connect uses.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Annotated, cast
from urllib.parse import parse_qsl, urlsplit

import typer

from livetags.embedded.chdb_engine import DataFolderError, Engine, Request
from livetags.embedded.content_encoding import decoder_of
from livetags.embedded.front_error import FrontError, status_of

DEFAULT_MAX_BODY = 1 << 30
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CHUNK = 1 << 20
# A body above this waits on disk, so that a few large inserts at once do not exhaust the memory.
_IN_MEMORY = 32 << 20
_IDLE_S = 600.0
_DRAIN_S = 10.0
_STOP_S = 10.0
_CODE = re.compile(r"Code: (\d+)\.")

_CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
}


def _multipart(body: bytes, boundary: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            return fields, files
        head, separator, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'[;\s]name="([^"]*)"', head)
        if not separator or name is None:
            break
        if b"filename=" in head:
            files[name.group(1).decode("utf-8", "surrogateescape")] = content
        else:
            fields[name.group(1).decode("utf-8", "surrogateescape")] = content.decode("utf-8", "surrogateescape")
    raise FrontError(36, "BAD_ARGUMENTS", "The multipart/form-data body is malformed or cut short. Send it again.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], engine: Engine, max_body: int) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.engine = engine
        self.max_body = max_body
        self.started = time.monotonic()
        self._active = 0
        self._stopping = False
        self._active_lock = threading.Lock()
        super().__init__(address, _Handler)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Count a request from its first byte to the last of its answer.

        Raises
        ------
        FrontError
            The front is stopping: connections kept alive could otherwise still reach a closed engine.
        """
        with self._active_lock:
            if self._stopping:
                message = "The front is stopping. Send the request again when it runs."
                raise FrontError(439, "CANNOT_SCHEDULE_TASK", message, close=True)
            self._active += 1
        try:
            yield
        finally:
            with self._active_lock:
                self._active -= 1

    def quiesce(self, timeout_s: float) -> bool:
        """Take no further request and wait for those being answered; returns whether none is left."""
        with self._active_lock:
            self._stopping = True
        deadline = time.monotonic() + timeout_s
        while self._active and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._active

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that went away, or a bug: its trace could hold values, so the type is all that is told.
        error = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            _log(f"connection ended by {type(error).__name__}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_S
    server: _Server

    def do_GET(self) -> None:
        """Answer a GET: ping, health, or a query that may only read."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST: any query."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the base class would log the request line, which can hold a query."""

    def version_string(self) -> str:
        """Name the front, not the Python version."""
        return "livetags-chdb"

    def _answer(self) -> None:
        begun = time.perf_counter()
        self._status, self._kind, self._code, self._unread = 0, "-", 0, False
        try:
            with self.server.answering():
                self._route_or_fail()
        except FrontError as error:
            self._fail(error)
        if self._unread:
            self._drain()
        duration = (time.perf_counter() - begun) * 1000
        _log(f"{self.command} {self._status} {duration:.1f}ms kind={self._kind} code={self._code}")

    def _route_or_fail(self) -> None:
        try:
            self._route()
        except FrontError as error:
            self._fail(error)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            self._status = 499
        except Exception as error:
            self._fail_by_engine(error)

    def _route(self) -> None:
        url = urlsplit(self.path)
        self._refuse_foreign()
        if url.path == "/":
            self._query(url.query)
            return
        self._kind = {"/ping": "ping", "/livetags/health": "health"}.get(url.path, "unknown_path")
        self._no_body()
        if url.path == "/ping":
            self._send(200, b"Ok.\n", {"Content-Type": "text/plain; charset=UTF-8"})
        elif url.path == "/livetags/health" and self.command == "GET":
            self._send(200, self._health(), {"Content-Type": "application/json"})
        else:
            body = b"There is no handle for this path. Use / for queries, /ping, or GET /livetags/health.\n"
            self._send(404, body, {"Content-Type": "text/plain; charset=UTF-8"})

    def _refuse_foreign(self) -> None:
        # Any web page can make a browser send requests to loopback; browsers name the page (Origin) or,
        # after DNS rebinding, its host. No ClickHouse client sends an Origin.
        host = self.headers.get("Host", "127.0.0.1").strip()
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        if "Origin" in self.headers or name.lower() not in _LOOPBACK:
            message = "Requests of web pages or for another host name are refused. Connect to 127.0.0.1 directly."
            raise FrontError(497, "ACCESS_DENIED", message, close=True)

    def _no_body(self) -> None:
        # A body nobody reads would be taken for the next request on this connection.
        if self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0").strip() != "0":
            self.close_connection = self._unread = True

    def _health(self) -> bytes:
        engine = self.server.engine
        health = {
            "engine": "chdb",
            "version": engine.version,
            "uptime_s": round(time.monotonic() - self.server.started, 3),
            "queries": engine.queries,
            "data_bytes": engine.data_bytes(),
        }
        return json.dumps(health).encode() + b"\n"

    def _query(self, url_query: str) -> None:
        try:
            params = dict(parse_qsl(url_query, keep_blank_values=True, errors="surrogateescape", max_num_fields=10_000))
        except ValueError:
            raise FrontError(36, "BAD_ARGUMENTS", "The URL holds too many parameters.", close=True) from None
        query_id = params.get("query_id") or str(uuid.uuid4())
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(self.server.engine.temporary)) as body:
            self._read_body(cast(IO[bytes], body))
            body.seek(0)
            files: dict[str, bytes] = {}
            content_type = self.headers.get("Content-Type", "")
            if content_type.lower().startswith("multipart/form-data"):
                boundary = re.search(r'boundary="?([^";\s]+)"?', content_type)
                if boundary is None:
                    raise FrontError(36, "BAD_ARGUMENTS", "A multipart/form-data body needs its boundary named.")
                fields, files = _multipart(body.read(), boundary.group(1).encode())
                params.update(fields)
            request = Request(
                params,
                cast(IO[bytes], body),
                params.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated",
                params.get("database") or self.headers.get("X-ClickHouse-Database"),
                self.command == "GET",
                files,
            )
            begun = time.perf_counter_ns()
            answer = self.server.engine.run(request, self._note_kind)
        summary = {**answer.summary, "elapsed_ns": str(time.perf_counter_ns() - begun)}
        headers = {
            "X-ClickHouse-Query-Id": _header_text(query_id),
            "X-ClickHouse-Summary": json.dumps(summary),
            "X-ClickHouse-Timezone": _header_text(params.get("session_timezone") or self.server.engine.timezone),
            "X-ClickHouse-Server-Display-Name": "livetags-chdb",
        }
        if answer.output_format is not None:
            headers["X-ClickHouse-Format"] = _header_text(answer.output_format)
            fallback = "application/octet-stream" if answer.output_format == "Native" else "text/plain; charset=UTF-8"
            headers["Content-Type"] = _CONTENT_TYPES.get(answer.output_format.lower(), fallback)
        self._send(200, answer.body, headers)

    def _note_kind(self, kind: str) -> None:
        self._kind = kind

    def _read_body(self, target: IO[bytes]) -> None:
        decoder = decoder_of(self.headers.get("Content-Encoding", ""))
        limit, received, decoded = self.server.max_body, 0, 0
        try:
            for piece in self._pieces():
                received += len(piece)
                for plain in decoder.feed(piece):
                    decoded += len(plain)
                    if max(received, decoded) > limit:
                        raise self._too_large()
                    target.write(plain)
            decoder.end()
        except (FrontError, ConnectionError, TimeoutError):
            raise
        except OSError as error:
            message = (
                f"The request's body could not be kept on disk ({os.strerror(error.errno or 0)}). Free some space."
            )
            raise FrontError(1001, "STD_EXCEPTION", message, close=True) from None
        except Exception as error:
            message = f"The request's body is not valid in its Content-Encoding ({type(error).__name__})."
            raise FrontError(271, "CANNOT_DECOMPRESS", message, status=400, close=True) from None

    def _too_large(self) -> FrontError:
        message = (
            f"The request's body is larger than {self.server.max_body} bytes. Send it in several inserts, "
            "or start the front with a larger --max-body-bytes."
        )
        return FrontError(229, "QUERY_IS_TOO_LARGE", message, close=True)

    def _pieces(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            yield from self._chunked_pieces()
            return
        length = self.headers.get("Content-Length", "0").strip()
        if not (length.isascii() and length.isdigit()):
            raise FrontError(36, "BAD_ARGUMENTS", "Content-Length must be a whole number of bytes.", close=True)
        if len(length) > 18 or int(length) > self.server.max_body:
            raise self._too_large()
        left = int(length)
        while left:
            piece = self.rfile.read(min(left, _CHUNK))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
            yield piece

    def _chunked_pieces(self) -> Iterator[bytes]:
        while True:
            line = self.rfile.readline(1024)
            if not line:
                raise ConnectionResetError
            size = line.split(b";", 1)[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                raise FrontError(36, "BAD_ARGUMENTS", "The chunked body is malformed. Send it again.", close=True)
            left = int(size, 16)
            if left == 0:
                while self.rfile.readline(1024) not in (b"\r\n", b"\n", b""):
                    pass
                return
            if left > self.server.max_body:
                raise self._too_large()
            while left:
                piece = self.rfile.read(min(left, _CHUNK))
                if not piece:
                    raise ConnectionResetError
                left -= len(piece)
                yield piece
            self.rfile.readline(1024)

    def _fail_by_engine(self, error: Exception) -> None:
        text = str(error)
        found = _CODE.search(text)
        # What precedes is chdb's wrapping, which a server's answer does not have.
        message = text[found.start() :] if found else f"Code: 1001. DB::Exception: {type(error).__name__}"
        code = int(found.group(1)) if found else 1001
        self._fail_with(code, status_of(code), message)

    def _fail(self, error: FrontError) -> None:
        if error.close:
            self.close_connection = self._unread = True
        self._fail_with(error.code, error.status, f"{error} (version {self.server.engine.version} (livetags-chdb))")

    def _fail_with(self, code: int, status: int, message: str) -> None:
        self._code = code
        headers = {"X-ClickHouse-Exception-Code": str(code), "Content-Type": "text/plain; charset=UTF-8"}
        try:
            self._send(status, message.encode("utf-8", "replace") + b"\n", headers)
        except ConnectionError:
            self.close_connection = True

    def _drain(self) -> None:
        # Closing with unread bytes resets the connection, and the client would see that instead of the answer.
        deadline = time.monotonic() + _DRAIN_S
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1.0)
            while time.monotonic() < deadline and self.connection.recv(_CHUNK):
                pass

    def _send(self, status: int, body: bytes | memoryview, headers: Mapping[str, str]) -> None:
        self._status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close" if self.close_connection else "Keep-Alive")
        self.end_headers()
        for start in range(0, len(body), _CHUNK):
            self.wfile.write(body[start : start + _CHUNK])


def _header_text(value: str) -> str:
    return "".join(char for char in value[:200] if char.isascii() and char.isprintable())


def _log(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(time.strftime("%Y-%m-%dT%H:%M:%S"), line, file=sys.stderr, flush=True)


def serve(data: Path, port: int, host: str = "127.0.0.1", max_body: int = DEFAULT_MAX_BODY) -> int:
    """Serve the engine over `data` on `host`:`port` until SIGTERM or SIGINT; returns the exit status.

    Prints one line on stdout when requests are answered. On a signal it takes no new request, gives
    running ones ten seconds, and closes the engine.

    Raises
    ------
    ValueError
        `host` is not a loopback address.
    DataFolderError
        The engine cannot open `data`.
    OSError
        The port is taken.
    """
    if host not in _LOOPBACK:
        message = (
            f"--host was {host!r}, expected a loopback address ({', '.join(sorted(_LOOPBACK))}): the front has no "
            "authentication. For access from other machines run a ClickHouse server."
        )
        raise ValueError(message)
    engine = Engine(data)
    with _Server((host, port), engine, max_body) as server:
        stopping = threading.Event()

        def stop(signum: int, frame: object) -> None:
            # shutdown() waits for serve_forever(), which runs in this very thread.
            if not stopping.is_set():
                stopping.set()
                threading.Thread(target=server.shutdown, daemon=True).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        shown = f"[{host}]" if ":" in host else host
        print(f"ready http://{shown}:{server.server_port} chdb {engine.version} pid {os.getpid()}", flush=True)
        server.serve_forever(poll_interval=0.1)
    if not server.quiesce(_STOP_S):
        _log("stopped with requests running")
        # The engine cannot be closed under a running query; what it has committed is in the folder already.
        os._exit(0)
    engine.close()
    return 0


def main(
    data: Annotated[Path, typer.Option(help="Folder of the engine's data; created when absent.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)],
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    max_body_bytes: Annotated[int, typer.Option(help="Largest request body, as sent and decoded.", min=1)] = (
        DEFAULT_MAX_BODY
    ),
) -> None:
    """Serve an embedded ClickHouse engine (chDB) to ClickHouse clients on this machine."""
    try:
        status = serve(data, port, host, max_body_bytes)
    except (ValueError, DataFolderError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"Port {port} cannot be listened on ({error.strerror}). Free it or give another --port.", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
