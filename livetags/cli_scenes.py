"""The command about the shipped scenes: how well they are noticed in a simulated city."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from livetags.arisen import arisen, arisen_by_alarms
from livetags.checked_rules import checked_rules
from livetags.city_truth import subscribers
from livetags.cli_city import CityFolder
from livetags.console import AsJson, SetOption, SettingsFile, app, err, load_settings, out
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.past_inputs import records_in
from livetags.progress import ConsoleProgress
from livetags.scene_score import score
from livetags.scene_table import scene_table
from livetags.scenes import scenes_folder
from schemas.pseudonym_keys import PseudonymKeys
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

_BY_ALARMS = "interests-changed"
# nothing is stored, so any keys do
_KEYS = PseudonymKeys("k1", {"k1": "00" * 32}, "00" * 32)


@app.command()
def scenes(
    folder: CityFolder,
    rules: Annotated[Path | None, typer.Option(help="folder of rules; default: the shipped scenes")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Lay what the scenes fire over a city beside the situations that really arose there.

    The city's records come late, shuffled and repeated, as they are in its files; they go through the job's own stages
    in this process, without stores.

    \b
    Examples:
      livetags scenes .livetags/city
      livetags scenes .livetags/city --json
    """
    chosen = load_settings(settings, set_)
    inputs = resolve("all", str(folder))
    written = [each.rule for each in checked_rules([rules or scenes_folder()], chosen)]
    rule_set = RuleSet(chosen.rules(GROUPS).groups)
    rule_set.replace(written)
    pseudonyms = KeyedPseudonyms(_KEYS)
    with ConsoleProgress(err) as progress:
        records = records_in(inputs, chosen.max_record_bytes, progress)
        progress.step(f"replaying all {records:,} records of {folder} under {len(written)} rules")
        replayed = replay(
            inputs,
            chosen,
            pseudonyms,
            load(folder / "dictionaries"),
            int(time.time() * 1000),
            lambda events: progress.events(events, records),
            rule_set=rule_set,
        )
    truth = folder / "truth"
    situations = arisen(truth, pseudonyms)
    situations += arisen_by_alarms(_BY_ALARMS, replayed.alarms, subscribers(truth), pseudonyms)
    scores = score([rule.id for rule in written], situations, replayed.triggers)
    if as_json:
        listed = [msgspec.to_builtins(each) | {"precision": each.precision, "recall": each.recall} for each in scores]
        print(msgspec.json.encode(listed).decode())
        return
    out.print(scene_table(scores))
    duplicates = len(replayed.triggers) - len({trigger.id for trigger in replayed.triggers})
    out.print(f"{len(replayed.triggers):,} triggers, {duplicates} of them twice")
    out.print("right: the same person within the time stated; open: nobody could tell; late: event time")
