"""Commands about people's rights and the keys of their pseudonyms."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import msgspec
import typer

from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.embedded import stores
from livetags.key_file import key_file, write_keys
from livetags.private_file import write_private
from livetags.rights import Receipt, erase_person, export_person
from schemas.pseudonym_keys import new_keys, rotated

keys_app = typer.Typer(no_args_is_help=True, help="Keys of the pseudonyms.")
app.add_typer(keys_app, name="keys")

User = Annotated[str, typer.Argument(help="pseudonym, or an IMSI, MSISDN or account of the person")]


@app.command()
def erase(
    user: User,
    receipt: Annotated[Path | None, typer.Option("--receipt", help="also write the receipt to this file")] = None,
    brokers: Annotated[
        str, typer.Option("--brokers", help="kafka://host:port of a running job, which then erases its state too")
    ] = "",
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Erase a person from both stores and dead letters, for good: a replay of the log does not bring them back."""
    chosen = stores.resolved(load_settings(settings, set_))
    request = f"erase-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    _answer(erase_person(chosen, user, request, brokers), receipt, as_json)


@app.command()
def export(
    user: User,
    to: Annotated[Path | None, typer.Option("--out", help="file to write; default: standard output")] = None,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Hand out everything held of a person, as JSON: hot profile, history, dead letters, links, exported state."""
    chosen = stores.resolved(load_settings(settings, set_))
    found = export_person(chosen, user)
    if not found:
        err.print("nothing is held of that identifier or pseudonym")
        raise typer.Exit(1)
    document = json.dumps(found, ensure_ascii=False, indent=1, default=str)
    if to is None:
        print(document)
    else:
        write_private(to, document + "\n")
        out.print(f"everything held of the person is in {to}")


@app.command(name="check-receipt")
def check_receipt(
    file: Annotated[Path, typer.Argument(help="receipt that `livetags erase` wrote", dir_okay=False)],
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Check an erasure's receipt: that it was not altered, and that nothing of the person is back in any store."""
    chosen = stores.resolved(load_settings(settings, set_))
    problems = Receipt.read(file).check(chosen)
    for problem in problems:
        out.print(f"[red]{problem}")
    if problems:
        raise typer.Exit(1)
    out.print("[green]holds[/green]: the receipt is as it was written, and the stores hold nothing of the person")


@keys_app.command()
def new(
    print_: Annotated[bool, typer.Option("--print", help="print them in one line instead, for a secret store")] = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Make a file of fresh keys; never overwrites one."""
    if print_:
        print(msgspec.json.encode(new_keys()).decode())
        return
    file = key_file(load_settings(settings, set_))
    if file.exists():
        msg = f"{file} is there already: without its keys every pseudonym is lost; `livetags keys rotate` changes them"
        raise ValueError(msg)
    write_keys(file, new_keys())
    out.print(f"fresh keys in {file}")


@keys_app.command()
def rotate(settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Make a fresh active key; the present one stays as the previous until the next rotation.

    Restart the job from a savepoint afterwards. An identifier moves to the new key when it is next seen, so rotate
    again only when everyone has been seen once.
    """
    chosen = load_settings(settings, set_)
    after = rotated(chosen.keys())
    write_keys(key_file(chosen), after)
    out.print(f"active key {after.active}, previous {after.previous}, in {key_file(chosen)}")


def _answer(receipt: Receipt, file: Path | None, as_json: bool) -> None:
    if file is not None:
        receipt.write(file)
    if as_json:
        print(receipt.to_json())
        return
    for place, counts in receipt.places.items():
        out.print(f"{place:<14} {counts['before']:>8,} before, {counts['after']:,} after")
    out.print(f"request {receipt.request}, receipt {receipt.digest[:16]}")
    if file is not None:
        out.print(f"receipt in {file}; `livetags check-receipt {file}` checks it")
