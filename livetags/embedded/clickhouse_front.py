"""A loopback HTTP front over chDB, so that ClickHouse clients speak to it as to a server.

``python -m livetags.embedded.clickhouse_front --data DIR --port N`` opens the embedded engine over DIR
(one process per folder: the engine locks it) and answers the part of the ClickHouse HTTP interface
that clickhouse-connect uses.

Every request gets a connection of its own to the one engine in this process (a session keeps its
connection). Measured with chDB 26.9.2 on two cores: opening one costs 0.15 ms; eight queries on
eight connections take the time of one, eight on a shared connection take turns (its calls are
serialised inside); the interpreter lock is free while the engine works; 1,300 mixed reads, inserts
and errors from twelve threads left no error behind. So no lock of ours is needed, and what one request sets
(database, settings, parameters) cannot leak into the next.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Annotated, Any, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import typer

from livetags.embedded import clickhouse_statement
from livetags.embedded.clickhouse_statement import Refusal, Statement

DEFAULT_MAX_BODY = 1 << 30
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CHUNK = 1 << 20
# A body above this waits on disk, so that a few large inserts at once do not exhaust the memory.
_IN_MEMORY = 32 << 20
_HEAD = 1 << 20
_IDLE_S = 600.0
_DRAIN_S = 10.0
_STOP_S = 10.0
# Connections are cheap, memory of running queries is not: more requests than this wait their turn.
_AT_ONCE = 32
_MAX_SESSIONS = 1_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_CODE = re.compile(r"Code: (\d+)\.")

# What the HTTP interface itself reads from the URL; everything else there is a setting.
_TRANSPORT = frozenset(
    {"query", "database", "default_format", "query_id", "quota_key", "user", "password", "role", "stacktrace"}
    | {"session_id", "session_timeout", "session_check", "close_session", "client_protocol_version"}
    | {"wait_end_of_query", "buffer_size", "compress", "decompress"}
)

# The mapping of a server (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); any other code is a 500.
_STATUS_OF_CODE = {
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
        400,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511), 404),
    48: 501,
    76: 503,
    159: 408,
    194: 401,
    209: 503,
    229: 413,
    381: 411,
    439: 503,
    779: 415,
}

_CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
}


class _Result(Protocol):
    def bytes(self) -> bytes: ...
    def get_memview(self) -> Any: ...
    def rows_read(self) -> int: ...
    def bytes_read(self) -> int: ...
    def rows_written(self) -> int: ...
    def bytes_written(self) -> int: ...
    def storage_rows_read(self) -> int: ...
    def storage_bytes_read(self) -> int: ...


class _Connection(Protocol):
    """The part of chdb's ``Connection`` used here (chdb ships no types)."""

    def query(self, query: str | bytes, format: str = ..., params: Mapping[str, str] | None = ...) -> _Result: ...
    def send_insert(self, query: bytes, format: str = ...) -> Any: ...
    def close(self) -> None: ...


class FrontError(Exception):
    """A request that is refused, with the ClickHouse error code and name that tell the client why.

    Parameters
    ----------
    code
        ClickHouse error code, sent as X-ClickHouse-Exception-Code.
    name
        Its symbolic name.
    message
        What was got, what was expected, what to do next. It may reach the client, never the log.
    status
        HTTP status; by default the one a server has for `code`.
    close
        Whether the rest of the request cannot be read, so that the connection must be closed.
    """

    def __init__(self, code: int, name: str, message: str, *, status: int | None = None, close: bool = False) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code
        self.status = _STATUS_OF_CODE.get(code, 500) if status is None else status
        self.close = close


class DataFolderError(Exception):
    """The engine cannot open the data folder; the message says why and what to do."""


@dataclass
class Session:
    """One client session: its connection (temporary tables and SET live there) and what is set on it."""

    connection: _Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    expires: float = 0.0
    baseline: dict[str, str] = field(default_factory=dict)
    applied: dict[str, str] = field(default_factory=dict)
    home: str = "default"
    current: str = "default"


@dataclass(frozen=True)
class Request:
    """One query request, after transport: its parameters, its body and the tables sent along."""

    params: Mapping[str, str]
    body: IO[bytes]
    default_format: str
    database: str | None
    read_only: bool
    external: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the engine answered: a result (kept alive as long as its memory is being sent) and counters."""

    kind: str
    body: memoryview
    output_format: str | None
    summary: Mapping[str, str]
    owner: object = None


class Engine:
    """The embedded engine over one data folder; the only one who talks to chDB.

    Safe for use from many threads. Everything committed is in the folder, also after a kill -9
    of this process (not after a power cut: the engine does not fsync by default, nor does a server).

    Parameters
    ----------
    folder
        Data folder; created when absent.

    Raises
    ------
    DataFolderError
        The folder cannot be opened, most often because another process has it open.
    """

    def __init__(self, folder: Path) -> None:
        if "?" in str(folder):
            message = "The data folder's path holds a '?', which chDB reads as the start of options. Rename the folder."
            raise DataFolderError(message)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self.temporary = self._folder / "front_tmp"
        # What a killed front left there belongs to requests that were never answered.
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        self._connect_to: Callable[[str], _Connection] = importlib.import_module("chdb.state.sqlitelike").Connection
        try:
            # Held open for as long as the process lives: the last connection to close stops the engine.
            self._main = self._connect()
            version, timezone = self._main.query("SELECT version(), timezone()", "TSVRaw").bytes().decode().split("\t")
        except Exception as error:
            message = (
                "The embedded ClickHouse engine cannot open its data folder: most often another process has it "
                "open. Stop that one, or give another --data folder. The engine's own message is above."
            )
            raise DataFolderError(message) from error
        self.version, self.timezone = version, timezone.strip()
        self._sessions: dict[str, Session] = {}
        self._sessions_lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._count_lock = threading.Lock()
        self.queries = 0

    def _connect(self) -> _Connection:
        # chDB's console default would run "1 + 1" or a typo like "selec" as a SELECT, which no server does.
        return self._connect_to(f"{self._folder}?implicit_select=0")

    def close(self) -> None:
        """Close all connections; the engine then stops. Call it once nothing runs."""
        with self._sessions_lock:
            for session in self._sessions.values():
                session.connection.close()
            self._sessions.clear()
        self._main.close()

    def data_bytes(self) -> int:
        """Size of the data folder's files (files that vanish meanwhile, as merges make them, count nothing)."""
        total = 0
        for root, _, names in os.walk(self._folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(root, name)).st_size
        return total

    def run(self, request: Request, on_kind: Callable[[str], None]) -> Answer:
        """Run one request's statement.

        Parameters
        ----------
        request
            The request; its body is read from its current position.
        on_kind
            Told the statement's kind as soon as it is known (the log wants it for failures too).

        Raises
        ------
        FrontError
            The statement or its parameters are refused here.
        RuntimeError
            The engine's error, with its message. Nothing of a failed INSERT block is kept; blocks of
            about a million rows before it are, as on a server.
        """
        prefix = request.params.get("query", "").encode("utf-8", "surrogateescape")
        head = request.body.read(_HEAD)
        sql = prefix + b"\n" + head if prefix and head else prefix or head
        statement = clickhouse_statement.parse(sql)
        on_kind(statement.kind)
        _refuse(statement.refusal)
        if request.params.get("compress") in ("1", "true") or request.params.get("decompress") in ("1", "true"):
            message = "compress/decompress (ClickHouse's own block framing) is not offered; use Content-Encoding."
            raise FrontError(48, "NOT_IMPLEMENTED", message)
        with self._slots:
            with self._count_lock:
                self.queries += 1
            return self._run_on_connection(request, statement, sql)

    def _run_on_connection(self, request: Request, statement: Statement, sql: bytes) -> Answer:
        settings = _settings(request)
        # readonly can be set but never taken back, so it is only ever set on a connection thrown away.
        sealed = request.read_only or "readonly" in settings
        session_id = request.params.get("session_id")
        if session_id and not sealed:
            with self._session(session_id, request.params) as session:
                self._prepare_session(session, request, statement, settings)
                answer = self._execute(session.connection, request, statement, sql)
                self._after_statement(session, statement)
                return answer
        connection = self._connect()
        try:
            if request.database:
                _use(connection, request.database)
            _set(connection, settings)
            if request.read_only and "readonly" not in settings:
                _set(connection, {"readonly": "2"})
            return self._execute(connection, request, statement, sql)
        finally:
            connection.close()

    def _execute(self, connection: _Connection, request: Request, statement: Statement, sql: bytes) -> Answer:
        parameters = {name[6:]: value for name, value in request.params.items() if name.startswith("param_")}
        with _external_tables(connection, request):
            if statement.insert_format is not None:
                for name, value in parameters.items():
                    _set(connection, {f"param_{name}": value})
                return self._insert(connection, request, statement, sql)
            sql += request.body.read()
            result = connection.query(sql, request.default_format, params=_plain(parameters))
            output_format = statement.output_format or request.default_format
            body = result.get_memview().view()
            return Answer(
                statement.kind,
                body,
                output_format if len(body) or statement.returns_rows else None,
                {
                    "read_rows": str(result.storage_rows_read()),
                    "read_bytes": str(result.storage_bytes_read()),
                    "written_rows": str(result.rows_written()),
                    "written_bytes": str(result.bytes_written()),
                    "result_rows": str(result.rows_read()),
                    "result_bytes": str(result.bytes_read()),
                },
                result,
            )

    def _insert(self, connection: _Connection, request: Request, statement: Statement, sql: bytes) -> Answer:
        # The engine parses the data while it is appended and writes one part per about a million rows,
        # as it does for a server's INSERT; a file for INFILE would only add a copy (measured the same speed).
        start = clickhouse_statement.skip_to_data(sql, statement)
        inserter = connection.send_insert(sql[: statement.insert_end], cast(str, statement.insert_format))
        with inserter:
            piece = sql[start:]
            while piece:
                inserter.append(piece)
                piece = request.body.read(_CHUNK)
            written = inserter.finish()
        rows, size = str(written.rows_written), str(written.bytes_written)
        summary = {
            "read_rows": rows,
            "read_bytes": size,
            "written_rows": rows,
            "written_bytes": size,
            "result_rows": rows,
            "result_bytes": size,
        }
        return Answer("insert", memoryview(b""), None, summary)

    @contextlib.contextmanager
    def _session(self, session_id: str, params: Mapping[str, str]) -> Iterator[Session]:
        timeout = params.get("session_timeout", "60")
        if not timeout.isdigit() or int(timeout) > 3600:
            message = "session_timeout must be a number of seconds from 0 to 3600."
            raise FrontError(374, "INVALID_SESSION_TIMEOUT", message)
        with self._sessions_lock:
            self._expire_sessions()
            session = self._sessions.get(session_id)
            if session is None:
                if params.get("session_check") == "1":
                    raise FrontError(
                        372, "SESSION_NOT_FOUND", "There is no such session. Send it without session_check."
                    )
                session = self._sessions[session_id] = Session(self._connect())
            if not session.lock.acquire(blocking=False):
                message = "The session is in use by another query. Use one client per thread, or no session."
                raise FrontError(373, "SESSION_IS_LOCKED", message)
        try:
            yield session
        finally:
            closing = params.get("close_session") == "1"
            session.expires = 0.0 if closing else time.monotonic() + int(timeout)
            session.lock.release()

    def _expire_sessions(self) -> None:
        now = time.monotonic()
        idle = sorted((s.expires, name) for name, s in self._sessions.items() if not s.lock.locked())
        surplus = len(self._sessions) + 1 - _MAX_SESSIONS
        for index, (expires, name) in enumerate(idle):
            if expires < now or index < surplus:
                self._sessions.pop(name).connection.close()

    def _prepare_session(
        self, session: Session, request: Request, statement: Statement, settings: dict[str, str]
    ) -> None:
        database = request.database or session.home
        if database != session.current:
            _use(session.connection, database)
            session.current = database
        # A SET of the client must not record this request's own settings as the session's, so for it
        # these are only checked, then taken back.
        if session.applied != settings or statement.kind == "set":
            previous = {**session.applied, **settings}
            restored = {name: session.baseline.get(name) for name in session.applied if name not in settings}
            session.applied = previous
            _set(session.connection, {**restored, **settings})
            session.applied = dict(settings)
        if statement.kind == "set" and settings:
            _set(session.connection, {name: session.baseline.get(name) for name in settings})
            session.applied = {}

    def _after_statement(self, session: Session, statement: Statement) -> None:
        if statement.kind == "set":
            rows = session.connection.query(
                "SELECT name, value FROM system.settings WHERE changed", "JSONCompactEachRow"
            )
            session.baseline = dict(json.loads(line) for line in rows.bytes().splitlines())
        elif statement.kind == "use":
            name = session.connection.query("SELECT currentDatabase()", "TSVRaw").bytes().decode().strip()
            session.home = session.current = name


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise FrontError(refusal.code, refusal.name, refusal.message)


def _quote(value: str) -> bytes:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return b"'" + escaped.encode("utf-8", "surrogateescape") + b"'"


def _identifier(name: str) -> bytes:
    return b"`" + name.replace("\\", "\\\\").replace("`", "\\`").encode("utf-8", "surrogateescape") + b"`"


def _use(connection: _Connection, database: str) -> None:
    connection.query(b"USE " + _identifier(database))


def _set(connection: _Connection, settings: Mapping[str, str | None]) -> None:
    if settings:
        pairs = (
            name.encode() + b" = " + (b"DEFAULT" if value is None else _quote(value))
            for name, value in settings.items()
        )
        connection.query(b"SET " + b", ".join(pairs))


def _plain(parameters: Mapping[str, str]) -> dict[str, str]:
    try:
        "".join(parameters.values()).encode()
    except UnicodeEncodeError:
        message = "A query parameter is not UTF-8. Send binary values escaped (\\xHH)."
        raise FrontError(36, "BAD_ARGUMENTS", message) from None
    return dict(parameters)


def _settings(request: Request) -> dict[str, str]:
    settings = {}
    external = tuple(f"{name}_{part}" for name in request.external for part in ("format", "structure", "types"))
    for name, value in request.params.items():
        if name.startswith("param_"):
            if not _NAME.match(name):
                message = "The name of a query parameter must be an identifier (letters, digits, _)."
                raise FrontError(36, "BAD_ARGUMENTS", message)
        elif name not in _TRANSPORT and name not in external:
            if not _NAME.match(name):
                raise FrontError(115, "UNKNOWN_SETTING", f"Unknown setting '{name[:80]}'.")
            settings[name] = value
    return settings


@contextlib.contextmanager
def _external_tables(connection: _Connection, request: Request) -> Iterator[None]:
    """Data sent along with a query, as temporary tables for as long as it runs."""
    created = []
    try:
        for name, data in request.external.items():
            structure = request.params.get(f"{name}_structure")
            if structure is None:
                types = request.params.get(f"{name}_types", "")
                structure = ", ".join(f"_{n} {t}" for n, t in enumerate(_split_types(types), 1))
            table = _identifier(name)
            connection.query(
                b"CREATE TEMPORARY TABLE " + table + b" (" + structure.encode("utf-8", "surrogateescape") + b")"
            )
            created.append(table)
            with connection.send_insert(
                b"INSERT INTO " + table, request.params.get(f"{name}_format", "TabSeparated")
            ) as inserter:
                for start in range(0, len(data), _CHUNK):
                    inserter.append(data[start : start + _CHUNK])
                inserter.finish()
        yield
    finally:
        for table in created:
            with contextlib.suppress(Exception):
                connection.query(b"DROP TEMPORARY TABLE IF EXISTS " + table)


def _split_types(types: str) -> list[str]:
    found, depth, start = [], 0, 0
    for index, char in enumerate(types):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            found.append(types[start:index])
            start = index + 1
    return [*found, types[start:]]


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


class _Decoder(Protocol):
    """What the decompressors of lz4, zstd and zlib are brought to: bounded output, concatenated frames."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def end(self) -> None: ...


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


def _decoder(encoding: str) -> _Decoder:
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
        decoder = _decoder(self.headers.get("Content-Encoding", ""))
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
        self._fail_with(code, _STATUS_OF_CODE.get(code, 500), message)

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
