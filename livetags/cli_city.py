"""Commands about the simulated city: making it, and comparing what the job found with its truth."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from livetags.alarm_sentence import alarm_json
from livetags.assess import Assessment, assess
from livetags.beside import Comparison, compare, interesting_people
from livetags.catalogue import entries
from livetags.city_truth import subscribers
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.dictionary_updates import publish_dictionaries
from livetags.drift_score import score
from livetags.drifted import clearest, noticed_text, score_text, truth_text
from livetags.embedded import stores
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.key_file import ensure_keys
from livetags.planted import match
from livetags.progress import ConsoleProgress
from livetags.publishing import publish_in_step
from livetags.reach import reach_redis
from livetags.runner import migrated_clickhouse
from schemas.run import Run
from schemas.settings import Settings
from serving.drift_alarms import alarms_of_kind
from serving.hot_tags import HotTags
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

CityFolder = Annotated[Path, typer.Argument(help="folder that `livetags city` wrote", file_okay=False)]


@app.command()
def city(
    folder: Annotated[
        Path, typer.Option("--out", help="folder to write: feeds, dictionaries and truth", file_okay=False)
    ],
    subscribers: Annotated[int, typer.Option(min=10, help="how many people")] = 300,
    days: Annotated[int, typer.Option(min=1, help="how long, from 2026-01-01")] = 30,
    seed: Annotated[int, typer.Option(help="the same seed makes the same city")] = 1,
    use: Annotated[
        bool, typer.Option("--use", help="also make its dictionaries those of the embedded default")
    ] = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Make a simulated city: every feed with its dirt, the dictionaries, and beside them the truth."""
    from city.building import build

    with ConsoleProgress(err) as progress:
        progress.step(f"{subscribers:,} people living for {days} days")
        report = build(folder, subscribers, days, seed, lambda events: progress.events(events, None))
    if use:
        shutil.copytree(
            folder / "dictionaries", load_settings(settings, set_).data_dir / "dictionaries", dirs_exist_ok=True
        )
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    events = sum(report.events.values())
    out.print(f"{events:,} records in {folder}, {report.seconds:.1f} s, {events / report.seconds:,.0f} events/s")
    out.print("  ".join(f"{feed} {count:,}" for feed, count in report.events.items()))
    out.print("dirt: " + ", ".join(f"{kind} {count:,}" for kind, count in report.dirt.items()))
    if not use:
        out.print(f"a job over it needs its dictionaries: --set dictionaries_dir={folder}/dictionaries, or --use here")


@app.command()
def publish(
    folder: CityFolder,
    to: Annotated[str, typer.Option("--to", help="kafka://host:port; each feed goes to its own topic")],
) -> None:
    """Publish a folder's files to topics, all feeds in step, keyed, as they would have come in."""
    with ConsoleProgress(err) as progress:
        progress.step(f"publishing {folder} to {to}")
        done = publish_in_step(resolve("all", str(folder)), to, progress)
    out.print(f"{done:,} records published to {to}")


@app.command()
def dictionaries(
    folder: Annotated[Path, typer.Argument(help="folder of CSV files", file_okay=False)],
    reload: Annotated[bool, typer.Option("--reload", help="hand them to the jobs that run, without a restart")] = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Check a folder of dictionaries: cells, districts, apps, devices, regions, keywords."""
    found = load(folder)
    out.print(
        f"version {found.version}: {len(found.cells):,} cells, {len(found.districts):,} districts, "
        f"{len(found.apps):,} app aliases, {len(found.devices):,} device aliases, {len(found.regions):,} region "
        f"aliases, {len(found.keywords):,} keywords"
    )
    if reload:
        file, _ = publish_dictionaries(load_settings(settings, set_), folder)
        out.print(f"published as {file.name}: running jobs take it over within a few seconds")


@app.command()
def catalogue(as_json: AsJson = False) -> None:
    """List every tag group: what it says, from which feeds, how long it lasts, what it may be used for."""
    found = entries()
    if as_json:
        print(json.dumps(found))
        return
    for family in dict.fromkeys(entry["family"] for entry in found):
        out.print(f"[bold]{family}[/bold]")
        for entry in (each for each in found if each["family"] == family):
            out.print(f"  [bold]{entry['name']}[/bold]: {escape(entry['meaning'])}")
            out.print(
                f"    {entry['kind']}, {entry['unit']}, half-life {entry['half_life']}, from "
                f"{', '.join(entry['sources'])}; {entry['purpose']}, {entry['sensitivity']}, "
                f"version {entry['version']}",
                style="dim",
            )


@app.command(name="assess")
def assess_(
    folder: CityFolder,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Replay a city through cleaning and tags in this process, and compare what they found with the truth."""
    chosen = _for_city(load_settings(settings, set_), folder)
    inputs = resolve("all", str(folder))
    pseudonyms = KeyedPseudonyms(ensure_keys(chosen))
    dictionaries = load(chosen.dictionaries_folder())
    with ConsoleProgress(err) as progress:
        progress.step("replaying the city")
        replayed = replay(
            inputs, chosen, pseudonyms, dictionaries, int(time.time() * 1000), lambda n: progress.events(n, None)
        )
        progress.step("comparing with the truth")
        run = Run("in-process", tuple(source.as_feed_input() for source in inputs), True)
        found = assess(folder / "truth", replayed, run, chosen.rules(GROUPS, dictionaries), pseudonyms)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _show_assessment(found)


@app.command()
def truth(
    folder: CityFolder,
    people: Annotated[int, typer.Option(min=1, help="how many people to show")] = 3,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show people's profiles, as Redis has them, with the city's truth beside them."""
    chosen = stores.resolved(_for_city(load_settings(settings, set_), folder))
    pseudonyms = KeyedPseudonyms(chosen.keys())
    reader = HotTags(reach_redis(chosen), chosen.redis_key_prefix)
    shown = [
        compare(subscriber, view)
        for subscriber in interesting_people(folder / "truth")
        if (view := reader.read(pseudonyms.person(subscriber.person_ref))) is not None
    ][:people]
    if as_json:
        print(msgspec.json.encode(shown).decode())
        return
    if not shown:
        err.print("no profile of anybody in that city; run the job over it first")
        raise typer.Exit(1)
    for comparison in shown:
        _show_comparison(comparison)


@app.command()
def drifted(
    folder: CityFolder,
    people: Annotated[int, typer.Option(min=1, help="how many people to show")] = 3,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Show people whose change of behaviour was noticed, with the city's truth beside them, and how many were not."""
    chosen = stores.resolved(_for_city(load_settings(settings, set_), folder))
    client = migrated_clickhouse(chosen)
    alarms = alarms_of_kind(client, chosen.clickhouse_database, "shares")
    matched = match(subscribers(folder / "truth"), alarms, KeyedPseudonyms(chosen.keys()))
    shown = clearest(matched, people)
    found = score(matched)
    if as_json:
        rows = [
            {
                "user": each.planted.user,
                "at_ms": each.planted.at_ms,
                "ended": each.planted.ended,
                "began": each.planted.began,
                "alarm": alarm_json(each.alarm),
            }
            for each in shown
        ]
        print(msgspec.json.encode({"people": rows, "score": found}).decode())
    else:
        offset_ms = round(chosen.utc_offset_hours * 3_600_000)
        for each in shown:
            out.print(f"[bold]drifted: {each.planted.user}[/bold]  {noticed_text(each, offset_ms)}", highlight=False)
            out.print(f"  truth: {truth_text(each.planted, offset_ms)}", highlight=False)
        for line in score_text(found):
            out.print(line, highlight=False)
    if not shown:
        err.print("no change of anybody in that city was noticed: was the job run over it, and for 60 days or so?")
        raise typer.Exit(1)


def _for_city(settings: Settings, folder: Path) -> Settings:
    """Settings with the city's own dictionaries, unless others are named."""
    if settings.dictionaries_dir is not None:
        return settings
    return settings.model_copy(update={"dictionaries_dir": (folder / "dictionaries").absolute()})


def _show_assessment(found: Assessment) -> None:
    rate = found.events_in / found.seconds if found.seconds else 0
    out.print(
        f"{found.events_in:,} records replayed in {found.seconds:.0f} s ({rate:,.0f}/s, one process, no engine), "
        f"{found.persons:,} profiles, {found.bytes_per_person:,.0f} bytes of state a person"
    )
    table = Table("dirt", "labelled", "reported", "precision", "recall", title="cleaning against the truth")
    for kind, detection in found.detections.items():
        table.add_row(
            kind,
            f"{detection.labelled:,}",
            f"{detection.reported:,}",
            f"{detection.precision:.4f}",
            f"{detection.recall:.4f}",
        )
    out.print(table)
    table = Table("planted", "AUC of the tag's weight", "true of", "not of", title="tags against the truth")
    for name, separation in found.separations.items():
        table.add_row(name, f"{separation.auc:.3f}", f"{separation.positives:,}", f"{separation.negatives:,}")
    out.print(table)
    for name, accuracy in (("home", found.home), ("work", found.work)):
        out.print(f"{name} district right for {accuracy.share:.1%} of {accuracy.persons:,} people with enough data")
    for line in score_text(found.drift):
        out.print(line, highlight=False)


def _show_comparison(comparison: Comparison) -> None:
    table = Table("", "the profile says", "the truth", title=f"{comparison.user}, as of {comparison.as_of}")
    for row in comparison.rows:
        mark = "[green]✓[/green]" if row.agrees else "[yellow]·[/yellow]" if row.agrees is None else "[red]✗[/red]"
        table.add_row(f"{mark} {row.what}", escape(row.profile), escape(row.truth))
    out.print(table)
