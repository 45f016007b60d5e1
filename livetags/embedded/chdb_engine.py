"""The engine inside this process, and one statement on it: sessions, settings, parameters, external tables.

Every request gets a connection of its own to the one engine in this process (a session keeps its connection). Measured
with chDB 26.9.2 on two cores: opening one costs 0.15 ms; eight queries on eight connections take the time of one, eight
on a shared connection take turns (its calls are serialised inside); the interpreter lock is free while the engine runs;
1,300 mixed reads, inserts and errors from twelve threads left no error behind. So no lock of ours is needed, and what
one request sets (database, settings, parameters) cannot leak into the next.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from livetags.embedded import clickhouse_statement
from livetags.embedded.clickhouse_statement import Refusal, Statement
from livetags.embedded.front_error import FrontError

_CHUNK = 1 << 20
_HEAD = 1 << 20
# Connections are cheap, memory of running queries is not: more requests than this wait their turn.
_AT_ONCE = 32
_MAX_SESSIONS = 1_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")

# What the HTTP interface itself reads from the URL; everything else there is a setting.
_TRANSPORT = frozenset(
    {"query", "database", "default_format", "query_id", "quota_key", "user", "password", "role", "stacktrace"}
    | {"session_id", "session_timeout", "session_check", "close_session", "client_protocol_version"}
    | {"wait_end_of_query", "buffer_size", "compress", "decompress"}
)


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
