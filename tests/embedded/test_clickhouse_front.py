"""The embedded ClickHouse, used through clickhouse-connect over a real front process."""

from __future__ import annotations

import datetime as dt
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from livetags.embedded import clickhouse_statement
from livetags.embedded.processes import free_port

pytestmark = pytest.mark.stores

MAX_BODY = 300 << 20


@dataclass
class Front:
    """One front process of the tests."""

    folder: Path
    port: int = field(default_factory=free_port)
    extra: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None

    def start(self) -> Front:
        log = (self.folder.parent / "front.log").open("a")
        command = [sys.executable, "-m", "livetags.embedded.clickhouse_front", "--data", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.extra], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"ready http://127.0.0.1:{self.port}"), line
        return self

    def client(self, **options: Any) -> Any:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **options)

    def end(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def log(self) -> str:
        return (self.folder.parent / "front.log").read_text()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(tmp_path_factory.mktemp("front") / "data", extra=("--max-body-bytes", str(MAX_BODY))).start()
    yield running
    assert running.end() == 0


@pytest.fixture
def client(front: Front) -> Any:
    return front.client()


@pytest.fixture
def table(client: Any) -> str:
    name = f"lt.t{uuid.uuid4().hex[:8]}"
    client.command("CREATE DATABASE IF NOT EXISTS lt")
    client.command(
        f"CREATE TABLE {name} (id UInt64, at DateTime64(3), s String, tags Array(String), w Map(String, Float64), "
        "n Nullable(Int32), l LowCardinality(String), v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY id"
    )
    return name


COLUMNS = ["id", "at", "s", "tags", "w", "n", "l", "v"]


def rows(count: int, version: int = 1) -> list[Any]:
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    return [
        np.arange(count, dtype="uint64"),
        [at] * count,
        [f"имя \U0001f600 {i}" for i in range(count)],
        [["a", "b"]] * count,
        [{"k": 0.5}] * count,
        [None if i % 2 else i for i in range(count)],
        ["x", "y"] * (count // 2) + ["x"] * (count % 2),
        np.full(count, version, dtype="uint64"),
    ]


def test_values_of_every_type_come_back(client: Any, table: str) -> None:
    summary = client.insert(table, rows(3), column_names=COLUMNS, column_oriented=True)
    assert summary.written_rows == 3
    got = client.query(f"SELECT * FROM {table} ORDER BY id", query_tz="UTC").result_rows
    assert got[1][0] == 1
    assert got[1][1].replace(tzinfo=dt.UTC) == dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
    assert got[1][2:] == ("имя \U0001f600 1", ["a", "b"], {"k": 0.5}, None, "y", 1)


def test_an_insert_of_200k_rows_is_one_part_and_repeating_it_changes_nothing_under_final(
    client: Any, table: str
) -> None:
    count = 200_000
    columns = {"id": np.arange(count, dtype="uint64"), "s": [f"u{i}" for i in range(count)], "v": np.ones(count, "u8")}
    for _ in range(2):
        summary = client.insert(table, list(columns.values()), column_names=list(columns), column_oriented=True)
        assert summary.written_rows == count
    parts = client.query(
        "SELECT count() FROM system.parts WHERE table = {t:String} AND active", parameters={"t": table[3:]}
    )
    assert parts.first_row[0] <= 2
    assert client.query(f"SELECT count(), uniqExact(id) FROM {table} FINAL").first_row == (count, count)


def test_a_newer_version_wins_under_final(client: Any, table: str) -> None:
    for version, text in ((2, "new"), (1, "old")):
        client.insert(table, [[7, text, version]], column_names=["id", "s", "v"])
    assert client.query(f"SELECT s FROM {table} FINAL WHERE id = 7").result_rows == [("new",)]


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_every_compression_of_the_client_is_decoded(front: Front, table: str, compress: str | bool) -> None:
    client = front.client(compress=compress)
    count = 150_000
    numbers = np.arange(count, dtype="uint64")
    assert client.insert(table, [numbers], column_names=["id"], column_oriented=True).written_rows == count
    assert client.query(f"SELECT sum(id) FROM {table}").first_row[0] == int(numbers.sum())


def test_an_insert_of_100_mb_works(client: Any) -> None:
    client.command("CREATE OR REPLACE TABLE default.wide (a UInt64, b Float64) ENGINE = MergeTree ORDER BY a")
    count = 6_500_000
    data = [np.arange(count, dtype="uint64"), np.zeros(count)]
    summary = client.insert(
        "default.wide", data, column_names=["a", "b"], column_oriented=True, settings={"async_insert": 0}
    )
    assert summary.written_rows == count
    client.command("DROP TABLE default.wide")


def test_parameters_are_bound_by_the_engine(client: Any, table: str) -> None:
    hostile = "a'b\\c\t\n`\"; DROP TABLE x -- имя"
    query = "SELECT {n:UInt64} + 1, {s:String}, {a:Array(String)}"
    got = client.query(query, parameters={"n": 5, "s": hostile, "a": [hostile]})
    assert got.first_row == (6, hostile, [hostile])
    client.command(
        f"INSERT INTO {table} (id, s) VALUES ({{id:UInt64}}, {{s:String}})", parameters={"id": 1, "s": hostile}
    )
    assert client.query(f"SELECT s FROM {table}").first_row == (hostile,)
    # Beyond what fits a URL the client sends a form.
    assert client.query("SELECT length({s:String})", parameters={"s": "x" * 60_000}).first_row == (60_000,)


def test_frames_arrays_and_raw_formats(client: Any, table: str) -> None:
    client.insert(table, rows(10), column_names=COLUMNS, column_oriented=True)
    assert list(client.query_df(f"SELECT id, l FROM {table} ORDER BY id LIMIT 2")["id"]) == [0, 1]
    assert client.query_np(f"SELECT id FROM {table}").shape == (10, 1)
    assert client.query_arrow(f"SELECT id FROM {table}").num_rows == 10
    assert client.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
    assert client.raw_query("SELECT unhex('ff00fe') AS a FORMAT RowBinary") == b"\x03\xff\x00\xfe"
    assert client.query(f"SELECT id, s FROM {table} LIMIT 0").column_names == ("id", "s")
    assert client.query(f"SELECT id FROM {table} WHERE 0").result_rows == []
    assert client.raw_insert(table, ["id", "s"], b"70\tz\n", fmt="TabSeparated").written_rows == 1
    assert client.raw_insert(table, ["id"], b'{"id": 71}\n', fmt="JSONEachRow").written_rows == 1
    assert client.command(f"INSERT INTO {table} (id) SELECT number FROM numbers(5)").written_rows == 5


def test_bitmaps_and_materialized_views(client: Any, table: str) -> None:
    client.command(
        f"CREATE TABLE {table}_b (l String, ids AggregateFunction(groupBitmap, UInt64)) "
        "ENGINE = AggregatingMergeTree ORDER BY l"
    )
    client.command(
        f"CREATE MATERIALIZED VIEW {table}_mv TO {table}_b AS "
        f"SELECT l, groupBitmapState(id) AS ids FROM {table} GROUP BY l"
    )
    client.insert(table, rows(100), column_names=COLUMNS, column_oriented=True)
    got = client.query(f"SELECT l, groupBitmapMerge(ids) FROM {table}_b GROUP BY l ORDER BY l").result_rows
    assert got == [("x", 50), ("y", 50)]
    both = f"SELECT bitmapAndCardinality((SELECT groupBitmapState(id) FROM {table} WHERE id < 60), "
    assert client.query(both + f"(SELECT groupBitmapState(id) FROM {table} WHERE id > 49))").first_row == (10,)


@pytest.mark.parametrize(
    ("query", "code", "name"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT * FROM default.nosuch", 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM nosuch.t", 81, "UNKNOWN_DATABASE"),
        ("SELECT nosuch", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT {x:UInt64}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1; DROP DATABASE lt", 62, "SYNTAX_ERROR"),
        ("DROP DATABASE `system`", 48, "NOT_IMPLEMENTED"),
        ("DROP TABLE system.one", 48, "NOT_IMPLEMENTED"),
        ("SYSTEM SHUTDOWN", 48, "NOT_IMPLEMENTED"),
        ("exit", 62, "SYNTAX_ERROR"),
        ("SELECT 1 INTO OUTFILE 'x'", 358, "INTO_OUTFILE_NOT_ALLOWED"),
    ],
)
def test_errors_arrive_with_their_code(client: Any, query: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_query(query)
    assert (caught.value.code, caught.value.name) == (code, name)
    assert client.query("SELECT 1").first_row == (1,)


def test_wrong_values_and_unknown_settings_are_errors(client: Any, table: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(table, ["id"], b"not a number\n", fmt="TabSeparated")
    assert caught.value.code == 27
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT {x:UInt64}", parameters={"x": "abc"})
    assert caught.value.code == 457
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT 1", settings={"nosuch_setting": 1})
    assert (caught.value.code, caught.value.name) == (115, "UNKNOWN_SETTING")
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT sleep(3)", settings={"max_execution_time": 0.2})
    assert caught.value.code == 159
    assert client.query(f"SELECT count() FROM {table}").first_row == (0,)


def test_settings_last_one_request_and_set_lasts_a_session(front: Front, client: Any, table: str) -> None:
    threads = "SELECT getSetting('max_threads')"
    assert client.query(threads, settings={"max_threads": 1}).first_row == (1,)
    default = client.query(threads).first_row
    assert default != (1,)
    client.command("SET max_threads = 7")
    assert client.query(threads).first_row == (7,)
    assert client.query(threads, settings={"max_threads": 3}).first_row == (3,)
    assert client.query(threads).first_row == (7,)
    assert front.client().query(threads).first_row == default
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.command("INSERT INTO mine VALUES (5)")
    assert client.query("SELECT a FROM mine").first_row == (5,)
    for settings in ({"async_insert": 1, "wait_for_async_insert": 1}, {"insert_deduplication_token": "t1"}):
        client.insert(table, [[1]], column_names=["id"], settings=settings)
    with pytest.raises(DatabaseError) as caught:
        client.command(f"INSERT INTO {table} (id) VALUES (1)", settings={"readonly": 1})
    assert caught.value.code == 164
    client.command(f"INSERT INTO {table} (id) VALUES (1)")
    assert front.client(database="lt").query("SELECT currentDatabase()").first_row == ("lt",)


def test_external_data(client: Any) -> None:
    data = ExternalData(file_name="e", data=b"1\tx\n2\t\xd0\xb8\n", fmt="TabSeparated", types="UInt8,String")
    assert client.query("SELECT _2 FROM e ORDER BY _1", external_data=data).result_rows == [("x",), ("и",)]


def test_empty_inserts_are_no_error(front: Front, client: Any, table: str) -> None:
    assert client.insert(table, [], column_names=["id"]).written_rows == 0
    status, _, headers = front.request("POST", f"/?query=INSERT%20INTO%20{table}%20FORMAT%20Native", b"")
    assert status == 200
    assert json.loads(headers["x-clickhouse-summary"])["written_rows"] == "0"


def test_binary_strings_survive(client: Any, table: str) -> None:
    values = [b"\xff\x00\xfe", b"", b"'\\\n\t"]
    client.insert(table, [[0, 1, 2], values], column_names=["id", "s"], column_oriented=True)
    got = client.query(f"SELECT s FROM {table} ORDER BY id", column_formats={"s": "bytes"}).result_rows
    assert [row[0] for row in got] == values


def test_eight_clients_read_while_one_inserts(front: Front, table: str) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            client = front.client()
            last = 0
            while not done.is_set():
                count, distinct = client.query(f"SELECT count(), uniqExact(id) FROM {table} FINAL").first_row
                assert count == distinct >= last
                last = count
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    writer = front.client()
    for batch in range(20):
        ids = np.arange(batch * 500, batch * 500 + 1_000, dtype="uint64")
        writer.insert(table, [ids], column_names=["id"], column_oriented=True)
    done.set()
    for reader in readers:
        reader.join(20)
    assert failures == []
    assert writer.query(f"SELECT count() FROM {table} FINAL").first_row == (10_500,)


def test_queries_do_not_wait_for_each_other(front: Front) -> None:
    clients = [front.client() for _ in range(6)]
    begun = time.monotonic()
    threads = [threading.Thread(target=client.query, args=("SELECT sleep(0.5)",)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 2.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_data_survives_the_end_of_the_process(tmp_path: Path, how: int) -> None:
    front = Front(tmp_path / "data").start()
    try:
        client = front.client()
        client.command("CREATE DATABASE kept")
        client.command("CREATE TABLE kept.t (a UInt64) ENGINE = MergeTree ORDER BY a")
        client.command("CREATE VIEW kept.v AS SELECT max(a) AS highest FROM kept.t")
        client.insert("kept.t", [np.arange(1_000, dtype="uint64")], column_names=["a"], column_oriented=True)
        assert front.end(how) == (-how if how == signal.SIGKILL else 0)
        (front.folder / "front_tmp" / "left").write_bytes(b"x")
        front.start()
        client = front.client()
        assert client.query("SELECT count(), sum(a) FROM kept.t").first_row == (1_000, 499_500)
        assert client.query("SELECT highest FROM kept.v").first_row == (999,)
        assert list((front.folder / "front_tmp").iterdir()) == []
    finally:
        front.end()


def test_a_running_query_is_answered_before_the_front_ends(tmp_path: Path) -> None:
    front = Front(tmp_path / "data").start()
    try:
        client = front.client()
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(client.query("SELECT sleep(1.5), 7").first_row))
        asking.start()
        time.sleep(0.5)
        assert front.end() == 0
        asking.join(10)
        assert answers == [(0, 7)]
    finally:
        front.end()


def test_a_second_front_over_the_same_folder_is_refused(front: Front) -> None:
    command = [sys.executable, "-m", "livetags.embedded.clickhouse_front", "--data", str(front.folder)]
    ended = subprocess.run([*command, "--port", str(free_port())], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert "another process has it" in ended.stderr
    assert front.client().query("SELECT 1").first_row == (1,)


def test_only_loopback_and_a_free_port(tmp_path: Path, front: Front) -> None:
    command = [sys.executable, "-m", "livetags.embedded.clickhouse_front", "--data", str(tmp_path / "d")]
    ended = subprocess.run([*command, "--port", "1024", "--host", "0.0.0.0"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "expected a loopback address" in ended.stderr
    ended = subprocess.run([*command, "--port", str(front.port)], capture_output=True, text=True)
    assert ended.returncode == 2
    assert f"Port {front.port} cannot be listened on" in ended.stderr


def test_other_paths_ping_and_health(front: Front) -> None:
    assert front.request("GET", "/ping")[:2] == (200, b"Ok.\n")
    assert front.request("GET", "/nosuch?query=SELECT%201")[0] == 404
    assert front.request("POST", "/nosuch", b"x" * 5_000_000)[0] == 404
    status, body, _ = front.request("GET", "/livetags/health")
    health = json.loads(body)
    assert status == 200
    assert set(health) == {"engine", "version", "uptime_s", "queries", "data_bytes"}
    assert health["data_bytes"] > 0
    assert str(front.folder) not in body.decode()


def test_gets_only_read(front: Front) -> None:
    status, body, headers = front.request("GET", "/?query=SELECT%201%20AS%20x%20FORMAT%20JSONEachRow&query_id=q1")
    assert (status, body) == (200, b'{"x":1}\n')
    assert headers["x-clickhouse-query-id"] == "q1"
    assert headers["x-clickhouse-format"] == "JSONEachRow"
    status, _, headers = front.request("GET", "/?query=CREATE%20DATABASE%20no")
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "164")


def test_web_pages_are_refused(front: Front) -> None:
    assert front.request("POST", "/", b"SELECT 1", {"Origin": "http://evil.example"})[0] == 403
    assert front.request("POST", "/", b"SELECT 1", {"Host": "evil.example:80"})[0] == 403


def test_a_body_beyond_the_limit_is_a_413(front: Front, client: Any, table: str) -> None:
    status, body, headers = front.request("POST", "/", None, {"Content-Length": str(MAX_BODY + 1)})
    assert (status, headers["x-clickhouse-exception-code"]) == (413, "229")
    assert b"--max-body-bytes" in body
    # Small when sent, too large when decoded.
    bomb = gzip.compress(bytes(MAX_BODY + 1), 1)
    path = f"/?query=INSERT%20INTO%20{table}%20FORMAT%20RowBinary"
    assert front.request("POST", path, bomb, {"Content-Encoding": "gzip"})[0] == 413
    assert client.query(f"SELECT count() FROM {table}").first_row == (0,)
    assert list((front.folder / "front_tmp").iterdir()) == []


def test_garbage_is_an_error_and_nothing_worse(front: Front, client: Any) -> None:
    bodies = [b"", b"\x00", b"\xff\xfe\x00", os.urandom(5_000), b"'" * 100_000, b"/*" * 50_000, b"(" * 100_000]
    for body in bodies:
        status, _, headers = front.request("POST", "/", body)
        assert status >= 400
        assert headers["x-clickhouse-exception-code"]
    for path in ("/?%ff=%00", "/?a%20b=1", "/?max_threads=x", "/?param_x%60=1", "/?session_id=s&session_timeout=no"):
        assert front.request("POST", path, b"SELECT 1")[0] >= 400
    assert front.request("POST", "/", b"x", {"Content-Encoding": "nosuch"})[0] == 400
    assert front.request("POST", "/", b"SELECT 1", {"Content-Encoding": "gzip"})[0] == 400
    assert front.request("POST", "/", gzip.compress(b"SELECT 1" * 99)[:-9], {"Content-Encoding": "gzip"})[0] == 400
    assert front.request("POST", "/", b"SELECT 1", {"Content-Type": "multipart/form-data; boundary=b"})[0] == 400
    for raw in (
        b"\r\n\r\n",
        b"NOSUCH / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03",
    ):
        with socket.create_connection(("127.0.0.1", front.port), timeout=5) as probe:
            probe.sendall(raw)
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as probe:
        probe.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert b" 400 " in probe.recv(1000)
    assert client.query("SELECT 1").first_row == (1,)


def test_the_log_holds_no_query_and_no_value(front: Front, client: Any, table: str) -> None:
    secret = f"secret{uuid.uuid4().hex}"
    client.query("SELECT {s:String}", parameters={"s": secret})
    client.raw_insert(table, ["s"], secret.encode() + b"\n", fmt="TabSeparated")
    for query in (f"SELECT {secret}", f"{secret}", f"SELECT toUInt8('{secret}')", f"SELECT * FROM `{secret}`"):
        with pytest.raises(DatabaseError):
            client.raw_query(query)
    front.request("GET", f"/{secret}?query={secret}")
    log = front.log()
    assert "kind=select code=0" in log
    assert "code=47" in log
    assert secret not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("sql", "kind", "fmt", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\n", "insert", "Native", b"\x00\n"),
        (b"insert into `a b`.\"format\" (x, `values`) settings a='FORMAT CSV' format CSV \r\n1", "insert", "CSV", b"1"),
        (b"INSERT INTO t VALUES (1)", "insert", "Values", b"(1)"),
        (b"INSERT INTO values FORMAT Values (1)", "insert", "Values", b"(1)"),
        (b"/* FORMAT */ INSERT INTO TABLE t -- VALUES\n (a) VALUES(1)", "insert", "Values", b"(1)"),
        (b"INSERT INTO t SELECT 1 FORMAT Native", "insert", None, b""),
        (b"INSERT INTO t (a) WITH 1 AS x SELECT x", "insert", None, b""),
        (b"INSERT INTO db.values (a) FORMAT TSV\n1", "insert", "TSV", b"1"),
    ],
)
def test_data_is_told_from_the_statement(sql: bytes, kind: str, fmt: str | None, data: bytes) -> None:
    statement = clickhouse_statement.parse(sql)
    assert statement.refusal is None
    assert (statement.kind, statement.insert_format) == (kind, fmt)
    if fmt is not None:
        assert sql[clickhouse_statement.skip_to_data(sql, statement) :] == data


@pytest.mark.parametrize(
    ("sql", "fmt", "refused"),
    [
        (b"SELECT 'FORMAT x; INTO OUTFILE', format FROM t", None, False),
        (b"SELECT 1 FORMAT JSON;", "JSON", False),
        (b"SELECT 1 FORMAT JSON SETTINGS a = 1", "JSON", False),
        (b"WITH (SELECT 1) AS x SELECT $$;$$, x;\n-- end ; x\n", None, False),
        (b"SELECT 1; -- x\n SELECT 2", None, True),
        (b"DROP TABLE lt.system_log", None, False),
        (b'drop /**/ database if exists "system"', None, True),
        (b"ALTER TABLE t DROP COLUMN system", None, False),
    ],
)
def test_statements_are_read_as_the_engine_reads_them(sql: bytes, fmt: str | None, refused: bool) -> None:
    statement = clickhouse_statement.parse(sql)
    assert (statement.output_format, statement.refusal is not None) == (fmt, refused)
