"""The command `livetags rules backtest`: what rules would have come to, on what the jobs have read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from livetags import ledger
from livetags.backtest import Backtest, backtest
from livetags.cli_rules import Topic, checked_or_refused, published_log, rules_app
from livetags.console import AsJson, SetOption, SettingsFile, counted, err, load_settings, out
from livetags.contact_caps import ContactCaps
from livetags.embedded import stores
from livetags.in_process import Replayed, replay
from livetags.inputs import Input, resolve
from livetags.past_inputs import in_files, inputs_of, judged_at_ms, newest_runs, records_in
from livetags.progress import ConsoleProgress
from livetags.rules_beside import beside, told_apart
from livetags.runner import Progress, migrated_clickhouse
from schemas.outputs import HistoryBatch, HotBatch
from schemas.rule_log import RuleLog
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from serving.erasures import erasures
from sources.dictionaries import load
from udfs.local_time import MS_PER_DAY, MS_PER_HOUR
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

_QUIET = re.compile(r"([0-9]|1[0-9]|2[0-4])-([0-9]|1[0-9]|2[0-4])")
_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_OVERLAPS_SHOWN = 5


@rules_app.command(name="backtest")
def backtest_(
    rules: Annotated[
        list[str], typer.Argument(metavar="PATH|ID...", help="YAML files of rules or folders of them, or ids of rules")
    ],
    days: Annotated[
        int, typer.Option(min=1, help="how much is counted, back from the newest event; all is replayed")
    ] = 7,
    input_: Annotated[
        str, typer.Option("--input", help="folder of files; default: those that the runs in the ledger have read")
    ] = "",
    feed: Annotated[str, typer.Option("--feed", help="feed of --input, if it is a file")] = "all",
    max_a_day: Annotated[int, typer.Option(min=0, help="contacts a person and local day")] = 1,
    max_a_week: Annotated[int, typer.Option(min=0, help="contacts a person and week from Monday")] = 3,
    quiet: Annotated[
        str, typer.Option(help="local hours without contacts: those in them are put off to their end; 0-0: none")
    ] = "22-8",
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Try rules out on history, beside those in force: how often they fire, for whom, and what that comes to.

    Every record is replayed, some thousands a second, since what rules read comes from all that was before.

    \b
    Examples:
      livetags rules backtest video.yaml
      livetags rules backtest scenes/ --days 30 --input .livetags/city
      livetags rules backtest mall-stay --max-a-day 2 --max-a-week 5 --quiet 21-9
    """
    chosen = load_settings(settings, set_)
    caps = _caps(chosen, max_a_day, max_a_week, quiet)
    log = published_log(chosen, topic)
    tried, in_force = _tried(rules, log, chosen), log.current()
    given = in_files(resolve(feed, input_)) if input_ else None
    if given is None:
        chosen = stores.resolved(chosen)  # where the ledger is
    with ConsoleProgress(err) as progress:
        found = _backtest(chosen, given, tried, in_force, days, caps, progress)
    if as_json:
        print(msgspec.json.encode({**msgspec.structs.asdict(found), "caps": caps}).decode())
    else:
        _show(found, caps)


def _backtest(
    chosen: Settings,
    given: list[Input] | None,
    tried: dict[str, TriggerRule],
    in_force: dict[str, TriggerRule],
    days: int,
    caps: ContactCaps,
    progress: Progress,
) -> Backtest:
    runs, erased = [], {}
    if given is None:
        client = migrated_clickhouse(chosen)
        runs = newest_runs(ledger.runs(client, chosen.clickhouse_database))
        erased = erasures(client, chosen.clickhouse_database)
    inputs = in_files(inputs_of(runs)) if given is None else given
    rule_set = RuleSet(chosen.rules(GROUPS).groups)
    rule_set.replace(beside(in_force, tried))
    records = records_in(inputs, chosen.max_record_bytes, progress)
    # all of them, whatever --days says: tags, habits and open episodes come from all that was before
    progress.step(f"replaying all {records:,} records under {counted(len(rule_set), 'rule')}")
    replayed, begin_ms = _replayed(
        chosen, inputs, rule_set, judged_at_ms(runs), erased, lambda n: progress.events(n, records)
    )
    until_ms = replayed.profiles.newest_ms
    if not until_ms:
        msg = "no record of the input was an event of a person: is it the right folder, and are its keys in use here?"
        raise ValueError(msg)
    told = told_apart(replayed.triggers, in_force, tried)
    asked = {id_: rule.version for id_, rule in tried.items()}
    span_ms = (max(begin_ms, until_ms - days * MS_PER_DAY), until_ms)
    return backtest(told.before, told.fired, asked, in_force, span_ms, caps)


def _replayed(
    chosen: Settings,
    inputs: list[Input],
    rule_set: RuleSet,
    now_ms: int,
    erased: dict[str, int],
    on_progress: Callable[[int], None],
) -> tuple[Replayed, int]:
    """The replay, and when its oldest event was."""
    begin_ms = now_ms

    def note(_: HotBatch, history: HistoryBatch) -> None:
        nonlocal begin_ms
        begin_ms = min([begin_ms, *(event[2] for event in history.events)])

    replayed = replay(
        inputs,
        chosen,
        KeyedPseudonyms(chosen.keys()),
        load(chosen.dictionaries_folder()),
        now_ms,
        on_progress,
        note,
        rule_set,
        settle=True,
        erased=erased,
    )
    return replayed, begin_ms


def _tried(rules: Sequence[str], log: RuleLog, chosen: Settings) -> dict[str, TriggerRule]:
    """Rules of the paths, and those of the ids as last published."""
    paths = [Path(each) for each in rules if Path(each).exists() or not _ID.fullmatch(each)]
    found = {each.rule.id: each.rule for each in checked_or_refused(paths, chosen)} if paths else {}
    for id_ in rules:
        if Path(id_) in paths:
            continue
        versions = log.versions(id_)
        if not versions:
            known = ", ".join(log.current()) or "none"
            msg = f"{id_}: no such file, and no such rule was published; published are: {known}"
            raise ValueError(msg)
        found[id_] = log.current().get(id_) or versions[max(versions)]
    return found


def _caps(chosen: Settings, max_a_day: int, max_a_week: int, quiet: str) -> ContactCaps:
    hours = _QUIET.fullmatch(quiet)
    if hours is None or quiet == "0-24":
        msg = f"--quiet expects local hours such as 22-8 that leave some of the day, 0-0 for none, got {quiet!r}"
        raise ValueError(msg)
    offset_ms = round(chosen.utc_offset_hours * MS_PER_HOUR)
    return ContactCaps(max_a_day, max_a_week, int(hours[1]), int(hours[2]), offset_ms)


def _show(found: Backtest, caps: ContactCaps) -> None:
    begin, end = (f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}" for ms in (found.from_ms, found.until_ms))
    table = Table(title=f"{found.days:.1f} days of event time, {begin} to {end} UTC")
    table.add_column("rule", overflow="fold")
    for name in ("version", "fires", "in force", "people", "a day", "contacts"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule in found.rules:
        was = "" if rule.fired_before is None else f"{rule.fired_before:,}"
        numbers = (f"{rule.fired:,}", was, f"{rule.people:,}", f"{rule.fired_a_day:,.1f}", f"{rule.contacts:,}")
        table.add_row(rule.rule, str(rule.version), *numbers)
    out.print(table)
    for rule in found.rules:
        for each in rule.overlaps[:_OVERLAPS_SHOWN]:
            out.print(
                f"{rule.rule} and {each.rule}: {counted(each.people, 'person', 'people')}, "
                f"{counted(each.near, 'time')} within an hour",
                highlight=False,
            )
        more = len(rule.overlaps) - _OVERLAPS_SHOWN
        if more > 0:
            out.print(f"{rule.rule} and {more} more rules: --json has them all", highlight=False)
    quiet = (
        f", none from {caps.quiet_from_h} to {caps.quiet_to_h} o'clock" if caps.quiet_from_h != caps.quiet_to_h else ""
    )
    out.print(
        f"contacts of all rules, at most {caps.max_a_day} a day and {caps.max_a_week} a week{quiet}: "
        f"{found.contacts:,}, of the rules in force {found.contacts_before:,}",
        highlight=False,
    )
