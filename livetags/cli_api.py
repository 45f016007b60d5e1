"""Commands about the readers over HTTP: serving them, their keys, and the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from clickhouse_connect.driver.client import Client
from rich.markup import escape
from rich.table import Table

from livetags.api_key_file import api_keys_file, write_api_keys
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.embedded import stores
from livetags.reach import reach_clickhouse, reach_redis
from schemas.purposes import PURPOSES
from schemas.settings import Settings
from serving.audit import lost_records, newest_records
from serving.http.api_keys import ApiKey, new_key, read_keys

api_key_app = typer.Typer(no_args_is_help=True, help="API keys of the readers over HTTP.")
app.add_typer(api_key_app, name="api-key")

_PORT = 8480


@app.command()
def api(
    host: Annotated[str, typer.Option(help="address to listen on; other than loopback only with API keys")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one")] = _PORT,
    certificate: Annotated[
        Path | None, typer.Option(help="serve HTTPS with this certificate (PEM)", dir_okay=False, exists=True)
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", help="of the certificate (PEM)", dir_okay=False, exists=True)
    ] = None,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Serve profiles over HTTP until Ctrl-C: /openapi.json describes it.

    \b
    Examples:
      livetags api
      livetags api-key add crm --purpose marketing
      livetags api --host 0.0.0.0 --certificate cert.pem --private-key key.pem
    """
    # slow to import, and no other command needs them
    import uvicorn

    from serving.http.app import make_app

    chosen = stores.resolved(load_settings(settings, set_))
    file = api_keys_file(chosen)
    if not read_keys(file) and not _is_loopback(host):
        msg = (
            f"--host {host} is not loopback, and there are no API keys in {file}: make one with `livetags api-key "
            "add`, or listen on 127.0.0.1"
        )
        raise ValueError(msg)
    if (certificate is None) != (private_key is None):
        msg = "--certificate and --private-key go together, got one of them"
        raise ValueError(msg)
    served = make_app(chosen, keys_file=file, history=_history(chosen))
    config = uvicorn.Config(
        served,
        host=host,
        port=port,
        # lines of an access log have paths, and those name persons
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=60,
        ws="none",
    )
    if certificate is None and not _is_loopback(host):
        err.print("without --certificate keys and profiles travel in the clear: put a proxy with TLS before it")
    socket = config.bind_socket()
    scheme = "http" if certificate is None else "https"
    at = f"{scheme}://{host if ':' not in host else f'[{host}]'}:{socket.getsockname()[1]}"
    whom = "with API keys" if file.exists() else "this machine only, no key asked for"
    out.print(f"profiles at {at}/v1/profiles, described in {at}/openapi.json; {whom}; Ctrl-C ends", highlight=False)
    uvicorn.Server(config).run(sockets=[socket])


@api_key_app.command()
def add(
    reader: Annotated[str, typer.Argument(help="name of the service that gets the key; the audit trail has it")],
    purpose: Annotated[list[str], typer.Option("--purpose", help=f"one of {', '.join(PURPOSES)}; may repeat")],
    people_per_s: Annotated[
        float, typer.Option("--people-per-s", min=0.001, help="how many people a second it may read, on the average")
    ] = 1_000.0,
    sensitive: Annotated[bool, typer.Option("--sensitive", help="may read sensitive tag groups too")] = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Make a key and show it, once: the file holds a hash. A running API knows it within a second.

    \b
    Examples:
      livetags api-key add crm --purpose marketing --purpose service
      livetags api-key add scoring --purpose credit_risk --sensitive --people-per-s 50
    """
    file = api_keys_file(load_settings(settings, set_))
    token, key = new_key(reader, tuple(purpose), people_per_s, f"{datetime.now(UTC):%Y-%m-%d}", sensitive)
    write_api_keys(file, [*read_keys(file), key])
    print(token)
    err.print(f"the key {key.id} of {reader}, shown this once; send it as `Authorization: Bearer ...`", highlight=False)


@api_key_app.command(name="list")
def list_(as_json: AsJson = False, settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Show the keys there are, without their secrets.

    \b
    Examples:
      livetags api-key list
    """
    keys = read_keys(api_keys_file(load_settings(settings, set_)))
    if as_json:
        print(msgspec.json.encode([_shown(key) for key in keys]).decode())
        return
    if not keys:
        out.print("no keys; `livetags api-key add` makes one")
        return
    table = Table("key", "reader", "purposes", "sensitive", "people/s", "made")
    for key in keys:
        table.add_row(
            key.id,
            escape(key.reader),
            ", ".join(key.purposes),
            "yes" if key.sensitive else "no",
            f"{key.people_per_s:g}",
            key.created,
        )
    out.print(table)


@api_key_app.command()
def remove(
    key: Annotated[str, typer.Argument(help="the key's id, as `livetags api-key list` shows it")],
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Withdraw a key: a running API refuses it within a second.

    \b
    Examples:
      livetags api-key remove 4f0c8f1f
    """
    file = api_keys_file(load_settings(settings, set_))
    keys = read_keys(file)
    left = [known for known in keys if known.id != key]
    if len(left) == len(keys):
        err.print("no key of that id; `livetags api-key list` shows them")
        raise typer.Exit(1)
    write_api_keys(file, left)
    out.print(f"key {key} is withdrawn")


@app.command()
def audit(
    reader: Annotated[str, typer.Option("--reader", help="only reads of this reader")] = "",
    last: Annotated[int, typer.Option("--last", min=1, help="how many of the newest reads to look at")] = 20,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show who read profiles, when and what for; with --json also whose, by pseudonym.

    \b
    Examples:
      livetags audit
      livetags audit --reader crm --last 1000 --json
    """
    chosen = stores.resolved(load_settings(settings, set_))
    client = reach_redis(chosen)
    records = [r for r in newest_records(client, chosen.redis_key_prefix, last) if reader in ("", r.reader)]
    if as_json:
        print(msgspec.json.encode([{"at_ms": r.at_ms, **msgspec.structs.asdict(r)} for r in records]).decode())
    elif records:
        table = Table("when (UTC)", "reader", "purpose", "sensitive", "operation", "people")
        for record in records:
            table.add_row(
                f"{datetime.fromtimestamp(record.at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}",
                escape(record.reader),
                record.purpose,
                "yes" if record.sensitive else "no",
                record.operation,
                f"{len(record.users):,}",
            )
        out.print(table)
        out.print(f"{lost_records(client, chosen.redis_key_prefix):,} older records are no longer kept")
    if not records:
        err.print("no such read among the newest in the audit trail")
        raise typer.Exit(1)


def _shown(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(key).items() if name != "sha256"}


def _history(settings: Settings) -> Callable[[], Client]:
    """Hands out one client of ClickHouse, made when it is first needed: hot profiles are served without it."""
    made: list[Client] = []

    def history() -> Client:
        if not made:
            made.append(reach_clickhouse(settings))
        return made[0]

    return history


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
