"""Commands about changes of behaviour: seeing them, and asking for a rebuild by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from livetags.alarm_sentence import alarm_json, changes, dated, sentence
from livetags.asked_rebuild import append_to, newest_event_ms, publish_to, rebuild_record
from livetags.behaviour import behaviour, local_day
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out, time_ms
from livetags.drift_bars import lines
from livetags.drift_picture import draw
from livetags.embedded import stores
from livetags.runner import migrated_clickhouse
from livetags.whose import whose_is
from schemas.settings import Settings
from serving.daily_shares import daily_shares
from serving.drift_alarms import alarm_counts, alarms_of, newest_alarms
from serving.fleet_shifts import fleet_shifts
from udfs.tags import GROUPS

_REBUILT_DAYS = 14
_KINDS = ("shares", "volume", "by_hand")


@app.command()
def drift(
    user: Annotated[
        str, typer.Argument(help="pseudonym, or an IMSI, MSISDN or account; without: the newest alarms of everybody")
    ] = "",
    picture: Annotated[
        Path | None, typer.Option("--out", help="also draw it into this file, .svg or .png", dir_okay=False)
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="without a user: how many of the newest alarms")] = 20,
    kind: Annotated[str, typer.Option("--kind", help=f"without a user: only {', '.join(_KINDS)}")] = "",
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show how a person's behaviour changed: shares day by day, when a change was noticed, what became of it."""
    if kind and kind not in _KINDS:
        msg = f"--kind expects one of {', '.join(_KINDS)}, got {kind!r}"
        raise ValueError(msg)
    if picture is not None and not user:
        msg = "--out draws one person: name a USER"
        raise ValueError(msg)
    chosen = stores.resolved(load_settings(settings, set_))
    if user:
        _drift_of(chosen, user, picture, as_json)
    else:
        _newest(chosen, last, kind, as_json)


@app.command()
def rebuild(
    user: Annotated[str, typer.Argument(help="an IMSI, MSISDN or account of the person")],
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help="since when the person behaves as now: ISO 8601, UTC unless it says otherwise; "
            f"default: {_REBUILT_DAYS} days before their newest event",
        ),
    ] = "",
    brokers: Annotated[str, typer.Option("--brokers", help="kafka://host:port of a running job")] = "",
    file: Annotated[
        Path | None, typer.Option("--out", help="file of the feed to append to, for a later run", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Ask for a person's profile to be rebuilt by hand: what they did before a time is to count less."""
    if bool(brokers) == (file is not None):
        msg = "a request goes to the topic of a running job, --brokers kafka://host:port, or to a file, --out FILE"
        raise ValueError(msg)
    since_ms = time_ms("--since", since) if since else 0
    chosen = stores.resolved(load_settings(settings, set_))
    whose = whose_is(chosen, user)
    newest_ms = newest_event_ms(migrated_clickhouse(chosen), chosen.clickhouse_database, whose)
    if newest_ms is None:
        err.print("no history of that person in ClickHouse; `livetags status` says what the stores hold")
        raise typer.Exit(1)
    since_ms = since_ms or newest_ms - round(timedelta(days=_REBUILT_DAYS) / timedelta(milliseconds=1))
    request = f"rebuild-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    record = rebuild_record(chosen, user, request, newest_ms, since_ms)
    if file is not None:
        append_to(file, record)
    else:
        publish_to(brokers, record)
    if as_json:
        print(msgspec.json.encode({"request": request, "user": whose, "since_ms": since_ms}).decode())
        return
    day = dated(local_day(since_ms, _offset_ms(chosen)))
    out.print(f"asked for ({request}): what was done before {day} is to count 1/{2**chosen.rebuild_halvings} of before")
    if file is not None:
        out.print(
            f"the request is in {file}; a job that continues from saved state carries it out:\n"
            f"  livetags run profile_update --feed rebuild --input {file} --restore SAVEPOINT"
        )
    out.print(f"then see `livetags drift {whose}`")


def _drift_of(chosen: Settings, user: str, picture: Path | None, as_json: bool) -> None:
    whose = whose_is(chosen, user)
    client = migrated_clickhouse(chosen)
    watched = [name for name, group in GROUPS.items() if group.drift == "watched"]
    offset_ms = _offset_ms(chosen)
    days = daily_shares(client, chosen.clickhouse_database, whose, watched, offset_ms)
    alarms = alarms_of(client, chosen.clickhouse_database, whose)
    if not days and not alarms:
        err.print("nothing of that user that drift is noticed by; `livetags status` says what the stores hold")
        raise typer.Exit(1)
    if picture is not None:
        if not days:
            msg = "there is no history left of that user to draw"
            raise ValueError(msg)
        draw(behaviour(whose, days, alarms, offset_ms), picture)
    if as_json:
        by_day: dict[str, dict[str, int]] = {}
        for each in days:
            by_day.setdefault(each.day.isoformat(), {})[each.tag] = each.events
        print(
            msgspec.json.encode(
                {"user": whose, "alarms": [alarm_json(alarm) for alarm in alarms], "events_by_day": by_day}
            ).decode()
        )
        return
    out.print(f"user {whose}: share of events a day", highlight=False)
    if days:
        for line in lines(behaviour(whose, days, alarms, offset_ms), out.width, out.color_system is not None):
            out.print(line)
    for alarm in alarms:
        out.print(escape(sentence(alarm, offset_ms)), highlight=False)
    if not alarms:
        out.print("no change was noticed")
    if picture is not None:
        out.print(f"drawn in {picture}")


def _newest(chosen: Settings, last: int, kind: str, as_json: bool) -> None:
    client = migrated_clickhouse(chosen)
    database = chosen.clickhouse_database
    counts = alarm_counts(client, database, kind)
    newest = newest_alarms(client, database, last, kind)
    shifts = fleet_shifts(client, database)
    if as_json:
        report = {"counts": counts, "newest": [alarm_json(alarm) for alarm in newest], "fleet_shifts": shifts}
        print(msgspec.json.encode(report).decode())
        return
    offset_ms = _offset_ms(chosen)
    if newest:
        told = ", ".join(f"{each.kind} {each.status} {each.alarms:,}" for each in counts)
        table = Table("user", "kind", "noticed", "since about", "what changed", "status", title=f"alarms: {told}")
        for alarm in newest:
            noticed, since = local_day(alarm.at_ms, offset_ms), local_day(alarm.since_ms, offset_ms)
            table.add_row(alarm.user, alarm.kind, f"{noticed}", f"{since}", escape(changes(alarm)), alarm.status)
        out.print(table)
    else:
        out.print("no change of anybody's behaviour was noticed")
    for shift in shifts:
        out.print(
            f"a shift of everybody on {dated(local_day(shift.from_ms, offset_ms))}: {shift.suspects:,} people under "
            f"suspicion at once in {len(shift.shards)} shards ({', '.join(map(str, shift.shards))}); no rebuilds",
            highlight=False,
        )


def _offset_ms(chosen: Settings) -> int:
    return round(chosen.utc_offset_hours * 3_600_000)
