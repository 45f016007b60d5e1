"""The client over TLS: the server's certificate and name are checked, and what is wrong is said."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from blocking_client import CLIENTS
from made_catalogue import HALF_LIVES_MS, MADE
from store_servers import ValkeyServer

from livetags.embedded import processes
from schemas.outputs import HotProfile
from serving.read_errors import ReadError, RedisAway
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores


class Certificate(NamedTuple):
    """Files of an authority, and of a certificate it has signed."""

    authority: Path
    certificate: Path
    key: Path


def signed(folder: Path, name: str) -> Certificate:
    """A fresh authority and a certificate for `name`, made with openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH to make a certificate with")
    folder.mkdir()

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True, timeout=60)

    common = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    run("req", "-x509", *common, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority of a test")
    run(
        *("req", "-x509", *common, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=server of a test"),
        *(
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            f"subjectAltName={name}",
            "-addext",
            "basicConstraints=CA:FALSE",
        ),
    )
    return Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")


class Relay:
    """Takes TLS connections and passes what they say to a server that speaks plainly; the wheel's Valkey has no TLS."""

    def __init__(self, url: str, certificate: Certificate) -> None:
        self._to = urlsplit(url)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class Secured(NamedTuple):
    """A server reached over TLS, and plainly for the writer."""

    tls: str
    plain: str
    certificate: Certificate


@pytest.fixture(params=["valkey behind a relay", "redis7 itself"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Secured]]:
    """Starts a server whose certificate is for a name."""
    ends: list[Callable[[], None]] = []

    def start(name: str) -> Secured:
        certificate = signed(tmp_path / "certificates", name)
        if request.param.startswith("valkey"):
            url = request.getfixturevalue("valkey")
            relay = Relay(url, certificate)
            ends.append(relay.close)
            return Secured(f"rediss://127.0.0.1:{relay.port}/0", url, certificate)
        kind: type[ValkeyServer] = request.getfixturevalue("redis7_server")
        port = processes.free_port()
        options = {
            "tls-port": str(port),
            "tls-cert-file": str(certificate.certificate),
            "tls-key-file": str(certificate.key),
            "tls-ca-cert-file": str(certificate.authority),
            "tls-auth-clients": "no",
        }
        words = [word for option, value in options.items() for word in (f"--{option}", value)]
        secured = type("Secured7", (kind,), {"argv": lambda self: [*kind.argv(self), *words]})(tmp_path, "tls")
        ends.append(secured.stop)
        secured.start()
        return Secured(f"rediss://127.0.0.1:{port}/0", secured.url, certificate)

    yield start
    for end in ends:
        end()


@pytest.fixture(params=list(CLIENTS))
def make(request: pytest.FixtureRequest, prefix: str) -> Iterator[Callable[..., Any]]:
    made = []

    def client(url: str, **options: Any) -> Any:
        made.append(CLIENTS[request.param](url, reader="crm", purpose="profiling", prefix=prefix, **options))
        return made[-1]

    yield client
    for each in made:
        each.close()


def fill(url: str, prefix: str) -> None:
    sink = RedisHotSink(url, prefix, 5.0, 10.0)
    sink.open(HALF_LIVES_MS, MADE)
    weights = {"content:news": 8.0}
    sink.write_batch([HotProfile("p.one", version_of(0, 1), 5, 4_102_444_800_000, weights, {}, {"content:news": 5})])
    sink.close()


def test_profiles_are_read_over_tls_from_a_server_of_the_right_name(
    server: Callable[[str], Secured], prefix: str, make: Callable[..., Any]
) -> None:
    secured = server("IP:127.0.0.1")
    fill(secured.plain, prefix)
    client = make(f"{secured.tls}?ssl_ca_certs={secured.certificate.authority}", weight_floor=0.0)
    assert client.profile("p.one").presence == "present"
    assert client.has("p.one", "content:news")
    assert client.health().ok


def test_an_unknown_authority_and_a_wrong_name_are_refused(
    server: Callable[[str], Secured], prefix: str, make: Callable[..., Any]
) -> None:
    secured = server("DNS:elsewhere.example")
    fill(secured.plain, prefix)
    for url in (secured.tls, f"{secured.tls}?ssl_ca_certs={secured.certificate.authority}"):
        with pytest.raises(RedisAway, match="TLS"):
            make(url).profile("p.one")
    # who has looked at the certificate otherwise may say so
    unchecked = f"{secured.tls}?ssl_ca_certs={secured.certificate.authority}&ssl_check_hostname=false"
    assert make(unchecked).profile("p.one").presence == "present"


def test_speaking_plainly_to_a_tls_port_is_an_error_in_time(
    server: Callable[[str], Secured], prefix: str, make: Callable[..., Any]
) -> None:
    secured = server("IP:127.0.0.1")
    with pytest.raises(ReadError):
        make(secured.tls.replace("rediss:", "redis:"), timeout_s=0.5).profile("p.one")
