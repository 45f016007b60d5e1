"""Commands about what the rules of scene triggers have fired: the receipts, and why each fired."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.embedded import stores
from livetags.runner import migrated_clickhouse
from livetags.whose import whose_is
from schemas.outputs import Receipt
from schemas.settings import Settings
from serving.triggers import newest_receipts, rule_counts, rule_latencies

_ALL_TIMES_MS = (0, 1 << 62)
_LAST = 20


@app.command()
def triggers(
    user: Annotated[str, typer.Argument(help="pseudonym, or an IMSI, MSISDN or account; without: everybody")] = "",
    rule: Annotated[str, typer.Option("--rule", help="only those of this rule")] = "",
    last: Annotated[int | None, typer.Option("--last", min=1, help=f"how many of the newest; default: {_LAST}")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show what the rules fired: the newest receipts; without a user, --rule or --last how often each rule did.

    \b
    Examples:
      livetags triggers
      livetags triggers 13800000001
      livetags triggers --rule mall-stay --last 5 --json
    """
    chosen = stores.resolved(load_settings(settings, set_))
    if not user and not rule and last is None:
        _summary(chosen, as_json)
        return
    whose = whose_is(chosen, user) if user else ""
    found = newest_receipts(migrated_clickhouse(chosen), chosen.clickhouse_database, whose, last or _LAST, rule)
    if as_json:
        print(msgspec.json.encode([receipt_json(each) for each in found]).decode())
    elif found:
        out.print(_receipt_table(found, whose))
        out.print("`livetags trigger ID` shows one in full, with --explain why it fired", highlight=False)
    if not found:
        err.print("no such trigger; `livetags triggers` says which rules have fired, `livetags rules list` which could")
        raise typer.Exit(1)


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt as plain JSON values; `sent_ms` is null of one that was not sent."""
    trigger = msgspec.structs.asdict(receipt.trigger)
    return {**trigger, "sent_ms": receipt.sent_ms or None, "latency_ms": latency_ms(receipt)}


def latency_ms(receipt: Receipt) -> int | None:
    """Milliseconds from the rule's firing to when the trigger could be read; None: it was not sent."""
    return receipt.sent_ms - receipt.trigger.decided_ms if receipt.sent_ms else None


def when(time_ms: int) -> str:
    """An instant for people, in UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _summary(chosen: Settings, as_json: bool) -> None:
    client, database = migrated_clickhouse(chosen), chosen.clickhouse_database
    counts = rule_counts(client, database, *_ALL_TIMES_MS)
    latencies = {each.rule: each for each in rule_latencies(client, database, *_ALL_TIMES_MS)}
    if as_json:
        rows = [
            {
                **msgspec.structs.asdict(each),
                "latency": latencies.get(each.rule) and latencies[each.rule].decided_to_sent,
            }
            for each in counts
        ]
        print(msgspec.json.encode(rows).decode())
        return
    if not counts:
        out.print("no rule has fired; `livetags rules list` says which are in force")
        return
    table = Table(title=f"{sum(each.fired for each in counts):,} triggers of {len(counts):,} rules")
    table.add_column("rule", overflow="fold")
    for name in ("fired", "people", "in shadow", "latency p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in counts:
        latency = latencies.get(each.rule)
        shown = (
            [f"{ms:,} ms" for ms in (latency.decided_to_sent.p50_ms, latency.decided_to_sent.p99_ms)] if latency else []
        )
        table.add_row(each.rule, f"{each.fired:,}", f"{each.people:,}", f"{each.shadow:,}", *shown)
    out.print(table)
    out.print("latency: from a rule's firing to when its trigger could be read", highlight=False)


def _receipt_table(receipts: list[Receipt], whose: str) -> Table:
    table = Table(title=f"user {whose}" if whose else None)
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("rule", overflow="fold")
    table.add_column("scene")
    table.add_column("cause", no_wrap=True)
    table.add_column("latency", justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)  # whole: it is what `livetags trigger ID` takes
    for each in receipts:
        trigger, latency = each.trigger, latency_ms(each)
        shown = "shadow" if trigger.shadow else f"{latency:,} ms" if latency is not None else "not sent"
        table.add_row(when(trigger.at_ms), trigger.rule, escape(trigger.scene), trigger.cause, shown, trigger.id)
    return table
