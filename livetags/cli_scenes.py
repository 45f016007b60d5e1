"""The command about the shipped scenes: how well they are noticed in simulated cities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from city.delivery import Delivery
from livetags.checked_rules import checked_rules
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.progress import ConsoleProgress
from livetags.scene_cities import BY_ALARMS, Plan, apart, live, live_through
from livetags.scene_score import SceneScore, score
from livetags.scene_table import LEGEND, scene_tables, turned_text
from livetags.scenes import scenes_folder
from livetags.turned import together

_USUAL = Delivery()


@app.command()
def scenes(
    folder: Annotated[
        Path | None,
        typer.Argument(help="folder that `livetags city` wrote; without it cities are made", file_okay=False),
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="folder of rules; default: the shipped scenes")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="of the city to make; several: all together")] = None,
    people: Annotated[int, typer.Option(min=10, help="in each city")] = 120,
    days: Annotated[int, typer.Option(min=1, help="of each city")] = 30,
    late_share: Annotated[float, typer.Option(help="of the records, to come an hour or more late")] = (
        _USUAL.late_share
    ),
    late_hours: Annotated[float, typer.Option(help="that they are late at most")] = _USUAL.late_hours,
    shuffle_share: Annotated[float, typer.Option(help="to come out of order, up to 15 minutes late")] = (
        _USUAL.shuffle_share
    ),
    repeat_share: Annotated[float, typer.Option(help="to come twice")] = _USUAL.repeat_share,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Lay what the scenes fire in a city beside the situations that really arose there.

    The city's records come late, shuffled and repeated; they go through the job's own stages in this process, without
    stores. Takes about three minutes of CPU for 120 people and 45 days.

    \b
    Examples:
      livetags scenes .livetags/city
      livetags scenes --seed 77 --people 120 --days 45
      livetags scenes --seed 1 --seed 2 --late-share 0.035 --late-hours 30 --repeat-share 0.038 --shuffle-share 0.02
    """
    try:
        delivery = Delivery(late_share, late_hours, shuffle_share, repeat_share)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if folder is not None and (seed or delivery != _USUAL):
        msg = "--seed and the shares of dirt are of cities to be made: leave out the folder, or them"
        raise typer.BadParameter(msg)
    chosen = load_settings(settings, set_)
    written = [each.rule for each in checked_rules([rules or scenes_folder()], chosen)]
    lives = []
    with ConsoleProgress(err) as progress:

        def show(events: int) -> None:
            progress.events(events, None)

        if folder is not None:
            progress.step(f"{len(written)} rules over {folder}")
            lives.append(live(folder, written, chosen, show))
        for number in [] if folder is not None else seed or [1]:
            progress.step(f"{len(written)} rules over city {number}: {people} people, {days} days")
            lives.append(live_through(Plan(number, people, days, delivery), written, chosen, show))
    situations, triggers = apart(lives)
    scores = score([rule.id for rule in written if rule.id != BY_ALARMS], situations, triggers)
    changes = together([each.turned for each in lives])
    if as_json:
        print(msgspec.json.encode({"scenes": [_listed(each) for each in scores], BY_ALARMS: changes}).decode())
        return
    for table in scene_tables(scores):
        out.print(table)
    duplicates = len(triggers) - len({trigger.id for trigger in triggers})
    out.print(f"{len(triggers):,} triggers, {duplicates} of them twice")
    for line in (*LEGEND, turned_text(BY_ALARMS, changes)):
        out.print(line, highlight=False)


def _listed(each: SceneScore) -> dict[str, object]:
    figures = ("precision", "recall", "precision_of_all", "recall_of_all", "intervals", "passes")
    return dict(msgspec.to_builtins(each)) | {name: getattr(each, name) for name in figures}
