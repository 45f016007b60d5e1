"""Commands about what the rules of scene triggers have fired: the receipts, and why each fired."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from clickhouse_connect.driver.client import Client
from rich.markup import escape
from rich.table import Table

from livetags import ledger
from livetags.console import AsJson, SetOption, SettingsFile, app, counted, err, load_settings, out, stacked
from livetags.embedded import stores
from livetags.explained import Explanation, Step, differences, explain
from livetags.inputs import Input, resolve
from livetags.past_inputs import in_files, judged_at_ms, newest_runs, records_in
from livetags.progress import ConsoleProgress
from livetags.refired import refired
from livetags.runner import migrated_clickhouse
from livetags.whose import whose_is
from schemas.outputs import Receipt
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from serving.drift_alarms import alarms_of
from serving.triggers import (
    newest_receipts,
    receipt_of,
    rule_counts,
    rule_document,
    rule_documents,
    rule_latencies,
)
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

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


@app.command()
def trigger(
    id_: Annotated[str, typer.Argument(metavar="ID", help="id of a trigger")],
    explain_: Annotated[
        bool, typer.Option("--explain", help="make the decision once more, and say line by line why it fired")
    ] = False,
    input_: Annotated[
        str, typer.Option("--input", help="folder of files that the run has read: replay them, and compare the trigger")
    ] = "",
    feed: Annotated[str, typer.Option("--feed", help="feed of --input, if it is a file")] = "all",
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show a trigger's receipt in full; explain it: exit code 1 unless the decision is confirmed.

    \b
    Examples:
      livetags trigger 4f0c8f1f3c5d1a1be6f8b1d2a90c7e55
      livetags trigger 4f0c8f1f3c5d1a1be6f8b1d2a90c7e55 --explain --input .livetags/city
    """
    chosen = stores.resolved(load_settings(settings, set_))
    client, database = migrated_clickhouse(chosen), chosen.clickhouse_database
    receipt = receipt_of(client, database, id_)
    if receipt is None:
        err.print("no such trigger: expected an id of 32 digits, as `livetags triggers --last 20` lists them")
        raise typer.Exit(1)
    explanation = _explained(chosen, client, receipt) if explain_ or input_ else None
    replayed = _replayed(chosen, client, receipt, resolve(feed, input_)) if input_ else None
    if as_json:
        report: dict[str, Any] = {"receipt": receipt_json(receipt)}
        if explanation is not None:
            report["explanation"] = {
                "confirmed": explanation.confirmed and not replayed,
                "emptied": explanation.emptied,
                "steps": explanation.steps,
                "made_again": explanation.made_again,
                "taken_as_recorded": [] if replayed == [] else explanation.taken_as_recorded,
                "replayed": None if replayed is None else {"same": not replayed, "differences": replayed},
            }
        print(msgspec.json.encode(report).decode())
    else:
        _show_receipt(receipt)
        if explanation is not None:
            _show_explanation(explanation, replayed)
    if explanation is not None and (not explanation.confirmed or replayed):
        raise typer.Exit(1)


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt as plain JSON values; `sent_ms` is null of one that was not sent.

    As in the stream the identity of the event is text: it has 64 bits, and many programs read numbers as doubles.
    """
    trigger = {**msgspec.structs.asdict(receipt.trigger), "event_id": str(receipt.trigger.event_id)}
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
    table = Table(title=f"{counted(sum(each.fired for each in counts), 'trigger')} of {counted(len(counts), 'rule')}")
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


def _explained(chosen: Settings, client: Client, receipt: Receipt) -> Explanation:
    fired = receipt.trigger
    document = rule_document(client, chosen.clickhouse_database, fired.rule, fired.version)
    if document is None:
        return Explanation([Step(False, f"version {fired.version} of rule {fired.rule} was never published")])
    alarms = alarms_of(client, chosen.clickhouse_database, fired.user)
    rebuilt_ms = [alarm.at_ms for alarm in alarms if alarm.status != "noted"]
    rule = TriggerRule.model_validate_json(document)
    return explain(receipt, rule, chosen.rules(GROUPS), chosen.trigger_grace_ms, rebuilt_ms)


def _replayed(chosen: Settings, client: Client, receipt: Receipt, given: list[Input]) -> list[str]:
    """What a replay says otherwise than the receipt."""
    inputs = in_files(given)
    fired = receipt.trigger
    logs = {(source.feed.name, file.name) for source in inputs for file in source.files}
    with ConsoleProgress(err) as progress:
        records = records_in(inputs, chosen.max_record_bytes, progress)
        progress.step(f"replaying all {records:,} records, up to the last")
        found = refired(
            fired,
            rule_documents(client, chosen.clickhouse_database),
            inputs,
            chosen,
            KeyedPseudonyms(chosen.keys()),
            load(chosen.dictionaries_folder()),
            judged_at_ms(newest_runs(ledger.runs(client, chosen.clickhouse_database))),
            lambda n: progress.events(n, records),
        )
    return differences(fired, found, same_logs=not fired.feed or (fired.feed, fired.log) in logs)


def _show_receipt(receipt: Receipt) -> None:
    fired, latency = receipt.trigger, latency_ms(receipt)
    told = f"{when(receipt.sent_ms)}, {latency:,} ms later" if latency is not None else "no"
    place = f"{fired.feed}, log {fired.log}, partition {fired.partition}, offset {fired.offset}" if fired.feed else "-"
    rows = {
        "user": fired.user,
        "rule": f"{fired.rule}, version {fired.version}",
        "scene": fired.scene,
        "purpose": f"{fired.purpose}, priority {fired.priority}",
        "cause": f"{fired.cause}, episode {fired.episode}",
        "arose": when(fired.at_ms),
        "fired": when(fired.decided_ms),
        "sent": "no, the rule is in shadow" if fired.shadow else told,
        "event": f"{place}, event {fired.event_id:x}" if fired.event_id else place,
    }
    table = Table(title=f"trigger {fired.id}", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(name, escape(text))
    for kind, values in (("", fired.values), ("payload ", fired.payload)):
        for name, value in values.items():
            table.add_row(escape(f"{kind}{name}"), escape(msgspec.json.encode(value).decode()))
    out.print(table)


def _show_explanation(explanation: Explanation, replayed: list[str] | None) -> None:
    for step in explanation.steps:
        out.print(("[green]✓[/green] " if step.held else "[red]✗[/red] ") + escape(step.text), highlight=False)
    if replayed is not None:
        for line in replayed:
            out.print(f"[red]✗[/red] {escape(line)}", highlight=False)
        if not replayed:
            out.print(
                "[green]✓[/green] the replay fires the very same trigger, every value bit for bit: the whole decision "
                "was made again from the input, but for the instant of the job's clock"
            )
        elif explanation.confirmed:
            out.print("NOT confirmed: the replay says otherwise", style="red")
            out.print(
                "Is it all that the run has read, with the same settings and dictionaries? A rule that was published "
                "while the job ran has seen less of the past than in a replay, and a replay does not read the history "
                "again after a change of behaviour.",
                highlight=False,
            )
            return
    elif explanation.made_again:
        out.print(f"made again, bit for bit: {', '.join(explanation.made_again)}", highlight=False)
        if explanation.taken_as_recorded:
            recorded = "; ".join(explanation.taken_as_recorded)
            out.print(
                f"taken as recorded: {recorded}. --input FOLDER replays the input and makes that again", highlight=False
            )
    partly = explanation.confirmed and replayed is None and explanation.taken_as_recorded
    verdict = explanation.verdict + (", as far as the receipt goes" if partly else "")
    out.print(escape(verdict), style="green" if explanation.confirmed else "red", highlight=False)


def _receipt_table(receipts: list[Receipt], whose: str) -> Table:
    table = Table(title=f"user {whose}" if whose else None)
    table.add_column(stacked("when (UTC)", "cause, latency"), no_wrap=True)
    table.add_column(stacked("rule", "scene"), overflow="fold")
    # whole: `livetags tags USER` and `livetags trigger ID` take them
    table.add_column(stacked("user", "id"), no_wrap=True)
    for each in receipts:
        trigger, latency = each.trigger, latency_ms(each)
        shown = "shadow" if trigger.shadow else f"{latency:,} ms" if latency is not None else "not sent"
        table.add_row(
            stacked(when(trigger.at_ms), f"{trigger.cause}, {shown}"),
            stacked(trigger.rule, trigger.scene),
            stacked(trigger.user, trigger.id),
        )
    return table
