"""The command `livetags`."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import redis
import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from livetags import (  # noqa: F401  (the cli_* add their commands)
    cli_api,
    cli_backtest,
    cli_city,
    cli_drift,
    cli_live,
    cli_privacy,
    cli_rules,
    cli_scenes,
    cli_triggers,
    ledger,
    verify_logs,
)
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out, time_ms
from livetags.embedded import jars, java, stores, topics
from livetags.embedded.kafka_broker import KafkaBrokerError
from livetags.embedded.processes import StoreStartError
from livetags.inputs import KAFKA_SCHEME, resolve
from livetags.job_process import JobFailed
from livetags.live import LiveRuns
from livetags.progress import ConsoleProgress
from livetags.reach import StoreUnreachable, reach_redis
from livetags.runner import JOB, Finished, migrated_clickhouse, prepare_stores, run_profile_update
from livetags.summary import most_changed_tags
from livetags.verify import Verdict
from livetags.whose import whose_is
from schemas.reasons import MEANING, Reason
from schemas.settings import Settings, masked_url
from serving.history import profile_as_of
from serving.hot_tags import HotTags
from serving.rejects import newest_rejects, reject_counts
from serving.tag_view import TagView
from sinks.clickhouse_schema import MigrationError
from sinks.retry import SinkGaveUp
from sources import FEEDS
from udfs.cleaning.correction import MEANING as CORRECTIONS

FeedOption = Annotated[
    str, typer.Option("--feed", help=f"{', '.join(FEEDS)}; or all, with a folder or brokers as the input")
]

# Mistakes of the caller and outages: shown as one line and exit code 2, not as a stack.
EXPECTED = (
    MigrationError,
    FileNotFoundError,
    ValueError,
    KeyError,
    stores.StoresDown,
    ledger.MixedLogs,
    JobFailed,
    StoreStartError,
    KafkaBrokerError,
    LiveRuns,
    topics.TopicError,
    jars.JarError,
    java.JavaError,
    SinkGaveUp,
    redis.RedisError,
    StoreUnreachable,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(", ".join(f"{name} {version}" for name, version in _versions().items()))
        raise typer.Exit


@app.callback()
def livetags(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show versions")] = (
        False
    ),
) -> None:
    """Real-time user profiles on Apache Flink: time-decayed tags, hot in Redis, history in ClickHouse."""


@app.command()
def up(settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Start the embedded stores: Valkey and ClickHouse on loopback, data in one folder."""
    chosen = load_settings(settings, set_)
    with out.status("starting") as status:
        urls = stores.up(chosen, status.update)
        prepare_stores(stores.resolved(chosen))
    out.print(f"Redis       {urls.redis}\nClickHouse  {urls.clickhouse}\ndata        {chosen.data_dir}/")


@app.command()
def down(settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Stop the embedded stores; their data stays."""
    stopped = stores.down(load_settings(settings, set_))
    out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Stop the embedded stores and delete their data, checkpoints and logs. Never touches other servers."""
    chosen = load_settings(settings, set_)
    if not yes:
        typer.confirm(f"delete all embedded data under {chosen.data_dir.absolute()}/?", abort=True)
    stores.down(chosen)
    for name in ("redis", "clickhouse", "checkpoints", "savepoints", "spool", "logs", "run"):
        shutil.rmtree(chosen.data_dir / name, ignore_errors=True)
    out.print("embedded data deleted")


@app.command()
def status(as_json: AsJson = False, settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Show the stores in use, what they hold, and versions."""
    chosen = load_settings(settings, set_)
    embedded = {
        name: {"state": s.state, "pid": s.pid, "uptime_s": s.uptime_s, "rss_bytes": s.rss_bytes}
        for name, s in stores.status(chosen).items()
    }
    report: dict[str, Any] = {"data_dir": str(chosen.data_dir), "embedded": embedded, "versions": _versions()}
    try:
        report |= _store_report(stores.resolved(chosen))
        report["ok"] = True
    except EXPECTED as error:
        report |= {"ok": False, "problem": str(error)}
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)
    if not report["ok"]:
        raise typer.Exit(1)


@app.command()
def run(
    job: Annotated[str, typer.Argument(help=JOB)],
    feed: FeedOption,
    input_: Annotated[str, typer.Option("--input", help="file, folder, or kafka://host:port[/topic]")],
    unbounded: Annotated[
        bool, typer.Option("--unbounded", help="read a topic for ever; Ctrl-C stops with a savepoint")
    ] = False,
    restore: Annotated[str, typer.Option(help="savepoint or retained checkpoint to start from")] = "",
    startup: Annotated[
        str, typer.Option(help="where a topic is read from without --restore: earliest-offset or latest-offset")
    ] = "earliest-offset",
    parallelism: Annotated[int | None, typer.Option(help="short for --set parallelism=N")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Run a job: read a feed, update every profile, write both stores, and account for every record."""
    if job != JOB:
        msg = f"unknown job {job!r}: expected {JOB}"
        raise ValueError(msg)
    assignments = [*(set_ or []), *([f"parallelism={parallelism}"] if parallelism is not None else [])]
    inputs = resolve(feed, input_)
    if unbounded and not input_.startswith(KAFKA_SCHEME):
        msg = f"--unbounded reads a topic, got the input {input_}: files end"
        raise ValueError(msg)
    chosen = _with_stores(load_settings(settings, assignments))
    stop_asked = False

    def ask_to_stop(*_: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    if unbounded:
        signal.signal(signal.SIGINT, ask_to_stop)
        signal.signal(signal.SIGTERM, ask_to_stop)
        err.print("reading for ever; Ctrl-C stops with a savepoint")
    try:
        with ConsoleProgress(err) as progress:
            finished = run_profile_update(
                chosen,
                inputs,
                progress,
                bounded=not unbounded,
                restore=restore,
                startup=startup,
                interrupted=lambda _: stop_asked,
            )
    except KeyboardInterrupt:
        err.print("stopped before the end; run it again: what was written already does no harm")
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(_finished_json(finished)))
    else:
        _show_finished(chosen, finished)
    if finished.missing:
        err.print(
            f"[red]{finished.missing:,} records of the input never reached the profiles: a defect, please report it; "
            "`livetags verify` shows what differs"
        )
        raise typer.Exit(1)
    if finished.status == "empty":
        err.print("[red]not one record was usable: is it the right feed? `livetags rejects` says why")
        raise typer.Exit(1)
    if not finished.totals.balanced:
        err.print("[red]events in differ from folded + duplicates + rejected: a defect, please report it")
        raise typer.Exit(1)


@app.command()
def tags(
    user: Annotated[str, typer.Argument(help="pseudonym, or an IMSI, MSISDN or account")],
    at: Annotated[
        str, typer.Option("--at", help="ISO 8601 time (UTC unless it says otherwise), or now; default: newest event")
    ] = "",
    top: Annotated[int | None, typer.Option(min=1, help="only the heaviest so many")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show one user's profile: hot from Redis, or as of a time from ClickHouse."""
    chosen = stores.resolved(load_settings(settings, set_))
    whose = whose_is(chosen, user)
    if at and at != "now":
        at_ms = time_ms("--at", at)
        client = migrated_clickhouse(chosen)
        found = profile_as_of(client, chosen.clickhouse_database, whose, at_ms, chosen.weight_floor)
        views: list[TagView] = list(found.values())
        as_of_ms, origin = at_ms, "ClickHouse"
    else:
        now_ms = int(datetime.now(UTC).timestamp() * 1000) if at == "now" else None
        view = HotTags(reach_redis(chosen), chosen.redis_key_prefix).read(whose, now_ms)
        floor = chosen.weight_floor
        views = [t for t in view.tags if abs(t.weight) >= floor] if view is not None else []
        as_of_ms, origin = (view.as_of_ms if view is not None else 0), "Redis"
    views = sorted(views, key=lambda view: -abs(view.weight))[:top]
    if as_json:
        print(json.dumps({"user": whose, "as_of_ms": as_of_ms, "from": origin, "tags": [_tag_json(t) for t in views]}))
    elif views:
        out.print(_tag_table(f"user {whose}, as of {_when(as_of_ms)}, from {origin}", views))
    if not views:
        found_at = "now" if at == "now" else "at that time"
        problem = f"no tag of that user above weight_floor {found_at}" if at else "no profile of that user"
        err.print(f"{problem} in {origin}; `livetags status` says what the stores hold")
        raise typer.Exit(1)


@app.command()
def rejects(
    feed: Annotated[str, typer.Option("--feed", help="only this feed")] = "",
    last: Annotated[int, typer.Option("--last", min=1, help="how many of the newest to list")] = 10,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show the records that could not be used: counts by reason, and where the newest are. Never what they said."""
    chosen = stores.resolved(load_settings(settings, set_))
    client = migrated_clickhouse(chosen)
    counts = reject_counts(client, chosen.clickhouse_database, feed)
    newest = newest_rejects(client, chosen.clickhouse_database, last, feed)
    if as_json:
        report = {"total": sum(count.records for count in counts), "counts": counts, "newest": newest}
        print(msgspec.json.encode(report).decode())
        return
    if not counts:
        out.print("no dead letters")
        return
    table = Table("feed", "reason", "records", "meaning", title="dead letters")
    for count in counts:
        table.add_row(count.feed, count.reason, f"{count.records:,}", MEANING[Reason(count.reason)])
    out.print(table)
    table = Table("feed", "reason", "log", "partition", "offset", title=f"the newest {len(newest)}")
    for record in newest:
        table.add_row(record.feed, record.reason, record.log, str(record.partition), str(record.offset))
    out.print(table)


@app.command()
def verify(
    feed: Annotated[str, typer.Option("--feed", help="with --input: verify against this log")] = "",
    input_: Annotated[str, typer.Option("--input", help="the log; default: every input in the ledger of runs")] = "",
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Recompute every profile from the full log, the slow obvious way, and compare both stores with it."""
    chosen = stores.resolved(load_settings(settings, set_))
    client = migrated_clickhouse(chosen)
    if feed and not input_:
        msg = "--feed names the feed of --input: give both, or neither for every input in the ledger of runs"
        raise ValueError(msg)
    given = resolve(feed or "all", input_) if input_ else None
    with ConsoleProgress(err) as progress:
        verdict = verify_logs.verify_against_logs(chosen, client, reach_redis(chosen), given, progress)
    if as_json:
        print(verdict.to_json())
    else:
        _show_verdict(verdict)
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def sample(
    feed: Annotated[str, typer.Argument(help=" or ".join(n for n, f in FEEDS.items() if f.sample is not None))],
    to: Annotated[str, typer.Option("--out", help="file to write, or kafka://host:port[/topic]")],
    events: Annotated[int | None, typer.Option(help="how many; default: the feed's natural size")] = None,
    seed: Annotated[int, typer.Option(help="seed of generated feeds")] = 0,
    unkeyed: Annotated[bool, typer.Option("--unkeyed", help="publish without record keys")] = False,
) -> None:
    """Write sample records of a feed to a file or a topic."""
    from livetags.sampling import write_file, write_topic

    if feed not in FEEDS:
        msg = f"sample writes one feed at a time: expected one of {', '.join(FEEDS)}, got {feed!r}"
        raise ValueError(msg)
    chosen = FEEDS[feed]
    count = chosen.sample_events if events is None else events
    with ConsoleProgress(err) as progress:
        progress.step(f"writing {chosen.name} to {to}")
        done = (
            write_topic(chosen, to, count, seed, not unkeyed, progress)
            if to.startswith(KAFKA_SCHEME)
            else write_file(chosen, Path(to), count, seed, progress)
        )
    out.print(f"{done:,} records of {chosen.name} in {to}")
    if chosen.linked:
        out.print(
            "nobody in them has consented to anything, so a job refuses them all as no_consent; `livetags city` makes "
            "all feeds of a whole population"
        )


@app.command(name="settings")
def settings_(as_json: AsJson = False, settings: SettingsFile = None, set_: SetOption = None) -> None:
    """Print the effective settings, each with its reason; secrets are masked."""
    chosen = load_settings(settings, set_)
    values = chosen.masked()
    if as_json:
        print(json.dumps({n: {"value": v, "reason": Settings.model_fields[n].description} for n, v in values.items()}))
        return
    table = Table("setting", "value", "reason", show_lines=False)
    for name, value in values.items():
        changed = value != _default(name)
        shown = escape(json.dumps(value) if isinstance(value, dict) else str(value))
        reason = escape(Settings.model_fields[name].description or "")
        table.add_row(name, f"[bold]{shown}[/bold]" if changed else shown, reason)
    out.print(table)
    out.print("bold: not the default. Set by --set name=value, LIVETAGS_<NAME>, or a YAML file named by --settings")


def main() -> None:
    """Entry point: expected failures are one line on standard error and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except EXPECTED as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        err.print(f"[red]livetags:[/red] {escape(str(text))}", highlight=False)
        sys.exit(2)


def _with_stores(chosen: Settings) -> Settings:
    """Settings with real URLs; starts the embedded stores when they are wanted and down."""
    try:
        return stores.resolved(chosen)
    except stores.StoresDown:
        with err.status("starting the embedded stores") as shown:
            stores.up(chosen, shown.update)
        return stores.resolved(chosen)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("livetags", "apache-flink", "clickhouse-connect", "redis", "protobuf")}


def _store_report(chosen: Settings) -> dict[str, Any]:
    client = migrated_clickhouse(chosen)
    hot = reach_redis(chosen)
    server: Any = hot.info("server")
    memory: Any = hot.info("memory")
    database = chosen.clickhouse_database
    known = ledger.runs(client, database)
    scope = {"database": database}
    evidence = client.query(
        "SELECT count() FROM {database:Identifier}.tag_evidence FINAL", parameters=scope
    ).result_rows
    dead = client.query("SELECT count() FROM {database:Identifier}.dead_letters FINAL", parameters=scope).result_rows
    last = ledger.totals(client, database, known[-1].run_id, chosen.shards) if known else ledger.Totals()
    return {
        "redis": {
            "url": masked_url(chosen.redis_url.get_secret_value()),
            "version": server.get("valkey_version") or server["redis_version"],
            "keys": hot.dbsize(),
            "used_memory_bytes": memory["used_memory"],
        },
        "clickhouse": {
            "url": masked_url(chosen.clickhouse_url.get_secret_value()),
            "version": client.server_version,
            "database": database,
            "evidence_rows": evidence[0][0],
            "dead_letters": dead[0][0],
        },
        "runs": [
            {"run_id": r.run_id, "status": r.status, "inputs": r.inputs, "started_at": r.started_at.isoformat()}
            for r in known
        ],
        "last_run": _totals_json(last),
    }


def _totals_json(totals: ledger.Totals) -> dict[str, Any]:
    return {
        "events_in": totals.events_in,
        "folded": totals.folded,
        "duplicates": totals.duplicates,
        "rejected": totals.rejected,
        "corrected": totals.corrected,
        "profiles": totals.users,
        "state_bytes_per_user": round(totals.state_bytes / totals.users) if totals.users else 0,
        "profile_bytes_per_user": round(totals.people_bytes / totals.users) if totals.users else 0,
    }


def _finished_json(finished: Finished) -> dict[str, Any]:
    return {
        "run_id": finished.run_id,
        "status": finished.status,
        "savepoint": finished.savepoint,
        "missing": finished.missing,
        "start_up_s": round(finished.start_up_s, 2),
        "streaming_s": round(finished.streaming_s, 2),
        "events_per_s": round(finished.events_per_s),
        **_totals_json(finished.totals),
    }


def _show(report: dict[str, Any]) -> None:
    for name, process in report["embedded"].items():
        detail = f"pid {process['pid']}, {process['rss_bytes'] / 1e6:.0f} MB" if process["state"] == "running" else ""
        out.print(f"embedded {name:<11} {process['state']} {detail}")
    if not report["ok"]:
        out.print(f"[red]{escape(report['problem'])}")
        return
    hot, history = report["redis"], report["clickhouse"]
    out.print(f"Redis       {hot['url']}  version {hot['version']}, {hot['keys']:,} keys")
    out.print(
        f"ClickHouse  {history['url']}  version {history['version']}, database {history['database']}, "
        f"{history['evidence_rows']:,} rows of evidence, {history['dead_letters']:,} dead letters"
    )
    for entry in report["runs"][-5:]:
        inputs = ", ".join(f"{i['feed']}: {i['input']}" for i in entry["inputs"])
        out.print(f"run {entry['run_id']}  {entry['status']}  {escape(inputs)}")
    out.print("versions    " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()))


def _show_finished(chosen: Settings, finished: Finished) -> None:
    totals = finished.totals
    rejected = sum(totals.rejected.values())
    out.print()
    out.print(
        f"[bold]{totals.events_in:,} events in[/bold] = {totals.folded:,} folded + {totals.duplicates:,} duplicates "
        f"+ {rejected:,} rejected"
    )
    rate = f"{finished.events_per_s:,.0f} events/s" if finished.streaming_s else "no events"
    out.print(f"{rate} while streaming ({finished.streaming_s:.1f} s), after {finished.start_up_s:.1f} s of start-up")
    if totals.users:
        door = (totals.state_bytes - totals.people_bytes) / totals.users
        people = totals.people_bytes / totals.users
        split = f": {people:,.0f} of the profile, {door:,.0f} of the door for the identifiers" if people else ""
        out.print(f"{totals.users:,} profiles, {door + people:,.0f} bytes of state each{split}")
    _show_codes("rejected", totals.rejected, {reason.value: text for reason, text in MEANING.items()})
    _show_codes("corrected", totals.corrected, {code.value: text for code, text in CORRECTIONS.items()})
    if finished.savepoint:
        out.print(f"savepoint: {finished.savepoint}\ncontinue with --restore {finished.savepoint}")
    changed = most_changed_tags(migrated_clickhouse(chosen), chosen.clickhouse_database, 5) if totals.folded else []
    if changed:
        table = Table("tag", "a half-life before", "at the newest event", "share of its group")
        table.title = "five most changed tags: decayed weight of all users together"
        for tag in changed:
            share = f"{tag.before_share:.2%} -> {tag.now_share:.2%}"
            table.add_row(escape(tag.tag), f"{tag.before:,.1f} {tag.unit}", f"{tag.now:,.1f} {tag.unit}", share)
        out.print(table)


def _show_codes(what: str, counts: dict[str, int], meaning: dict[str, str]) -> None:
    """A table of codes, each feed's together: ``feed/code`` -> records."""
    if not counts:
        return
    by_code: dict[str, dict[str, int]] = {}
    for name, records in counts.items():
        feed, _, code = name.partition("/")
        by_code.setdefault(code, {})[feed] = records
    table = Table(what, "records", "meaning")
    for code, feeds in sorted(by_code.items(), key=lambda item: -sum(item[1].values())):
        shown = "\n".join(f"{feed} {records:,}" for feed, records in sorted(feeds.items(), key=lambda item: -item[1]))
        table.add_row(code, shown, meaning[code])
    out.print(table)


def _show_verdict(verdict: Verdict) -> None:
    out.print(
        f"{verdict.events_in:,} records of the log recomputed; compared {verdict.users:,} profiles, "
        f"{verdict.tags:,} tags, {verdict.rows:,} rows of evidence, {verdict.dead_letters:,} dead letters, "
        f"{verdict.alarms:,} changes of behaviour"
    )
    if verdict.capped_groups:
        out.print(f"{verdict.capped_groups:,} groups beyond the cap on tags: held to bounds and totals in Redis")
    if verdict.ok:
        out.print("[green]equal[/green]: Redis and ClickHouse hold exactly what the log says")
        return
    for kind, count in sorted(verdict.differences.items()):
        out.print(f"[red]{kind}[/red]: {count:,} differences")
    for line in verdict.first:
        out.print(escape(line), highlight=False)


def _tag_table(title: str, views: list[TagView]) -> Table:
    table = Table(title=title)
    # on a narrow terminal a long tag is folded, and no number is cut
    table.add_column("tag", overflow="fold")
    table.add_column("weight", justify="right", no_wrap=True)
    numeric = any(view.mean is not None for view in views)
    if numeric:
        table.add_column("mean ± std", justify="right", no_wrap=True)
    table.add_column("last evidence", no_wrap=True)
    table.add_column("half-life", no_wrap=True)
    for view in views:
        row = [escape(view.tag), f"{view.weight:,.4g}"]
        if numeric:
            row.append("" if view.mean is None or view.std is None else f"{view.mean:,.3g} ± {view.std:,.3g}")
        table.add_row(*row, _when(view.last_evidence_ms)[:16], f"{view.half_life_ms / 86_400_000:g} d")
    return table


def _tag_json(view: TagView) -> dict[str, Any]:
    return {
        "tag": view.tag,
        "weight": view.weight,
        "mean": view.mean,
        "std": view.std,
        "last_evidence_ms": view.last_evidence_ms,
        "half_life_ms": view.half_life_ms,
    }


def _when(time_ms: float) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _default(name: str) -> Any:
    default = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default) if isinstance(default, Path) else default


if __name__ == "__main__":
    main()
