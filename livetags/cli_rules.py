"""Commands about the rules of scene triggers: checking, comparing, publishing, withdrawing them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import typer
from rich.table import Table

from livetags import rule_topic, rule_updates
from livetags.checked_rules import RulesRefused, checked_rules, rule_warnings
from livetags.console import AsJson, SetOption, SettingsFile, app, counted, err, load_settings, out, stacked
from livetags.rule_diff import rule_diff
from livetags.rule_schema import rule_schema_text
from livetags.rule_updates import NotPublishable, news
from schemas.rule_log import RuleLog
from schemas.rule_update import DamagedRules, RuleUpdate
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sources.core_yaml import written
from sources.trigger_rules import Fault, WrittenRule

rules_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rules_app, name="rules")

Paths = Annotated[list[Path], typer.Argument(help="YAML files of rules, or folders of such files")]
Ids = Annotated[list[str], typer.Argument(help="ids of rules in force")]
Topic = Annotated[bool, typer.Option("--topic", help="the topic of the setting rule_topic, not the folder")]


@rules_app.callback()
def rules() -> None:
    """Rules of scene triggers, as data: check, compare, publish, withdraw them. docs/rules.md explains them.

    \b
    Examples:
      livetags rules check scenes/
      livetags rules diff scenes/
      livetags rules publish scenes/
      livetags rules list
    """


@rules_app.command()
def check(
    paths: Paths,
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Check rules, also against what is published: whether a job could use them. Says all mistakes, with their lines.

    \b
    Examples:
      livetags rules check scenes/
      livetags rules check video.yaml --json
    """
    chosen = load_settings(settings, set_)
    try:
        checked = checked_rules(paths, chosen)
        _refuse_contradictions(checked, chosen, topic)
    except RulesRefused as refused:
        if not as_json:
            raise _refused(refused) from None
        print(json.dumps({"ok": False, "faults": list(map(_as_json, refused.faults))}, ensure_ascii=False))
        raise typer.Exit(1) from None
    warnings = rule_warnings(checked)
    if as_json:
        found: dict[str, object] = {"ok": True, "rules": [each.rule.id for each in checked]}
        if warnings:
            found["warnings"] = [_as_json(each) for each in warnings]
        print(json.dumps(found, ensure_ascii=False))
        return
    for warning in warnings:
        err.print(f"{warning.file}:{warning.line}: warning: {warning.field}: {warning.reason}", markup=False)
    files = {each.file for each in checked}
    out.print(f"{counted(len(checked), 'rule')} in {counted(len(files), 'file')} can be used")


@rules_app.command(name="list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="those withdrawn too")] = False,
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """List the rules in force.

    \b
    Examples:
      livetags rules list
      livetags rules list --all --json
    """
    log = published_log(load_settings(settings, set_), topic)
    shown = [(rule, False) for rule in log.current().values()]
    if all_:
        shown += [(rule, True) for id_ in log.retired if (rule := _newest(log, id_)) is not None]
    if as_json:
        listed = [
            {**rule.document(), "retired": retired, "versions": list(log.versions(rule.id))} for rule, retired in shown
        ]
        print(json.dumps(listed, ensure_ascii=False))
        return
    if not shown:
        out.print("no rule is in force; `livetags rules publish PATH` publishes some")
        return
    table = Table()
    table.add_column(stacked("rule", "version"), overflow="fold")  # whole: it is what `livetags rules show ID` takes
    table.add_column(stacked("fires by", "purpose"))
    table.add_column(stacked("scene", "owner"))
    for rule, retired in shown:
        state = [f"version {rule.version}", *(["shadow"] * rule.shadow), *(["withdrawn"] * retired)]
        valid = f"valid {_valid(rule)} UTC" if rule.valid_from or rule.valid_to else ""
        table.add_row(
            stacked(rule.id, ", ".join(state)),
            stacked(f"{rule.shape} on {rule.on}", rule.purpose),
            stacked(rule.scene, *filter(None, (rule.owner, valid))),
        )
    out.print(table)
    out.print(f"{counted(len(shown), 'rule')}; `livetags rules show ID` prints one in full", highlight=False)


@rules_app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="id of a rule")],
    version: Annotated[int | None, typer.Option(min=1, help="an earlier version; default: the one in force")] = None,
    topic: Topic = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Print a rule as YAML, of which a new version can be made; earlier ones too.

    \b
    Examples:
      livetags rules show video-fan > video-fan.yaml
      livetags rules show video-fan --version 1
    """
    log = published_log(load_settings(settings, set_), topic)
    versions = log.versions(id_)
    rule = versions.get(version) if version is not None else log.current().get(id_) or _newest(log, id_)
    if rule is None:
        known = f"versions {', '.join(map(str, versions))}" if versions else ", ".join(log.current()) or "none"
        err.print(f"no such rule was published; known: {known}", markup=False)
        raise typer.Exit(1)
    if id_ in log.retired:
        print("# withdrawn")
    if len(versions) > 1:
        print(f"# published versions: {', '.join(map(str, versions))}")
    print(written(rule.document()), end="")


@rules_app.command()
def diff(
    paths: Paths,
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Compare written rules with those in force: new, changed, same, missing. Exit code 1 if anything differs.

    \b
    Examples:
      livetags rules diff scenes/
      livetags rules diff scenes/ --topic --set rule_topic=kafka://localhost:9092/rules
    """
    chosen = load_settings(settings, set_)
    checked = checked_or_refused(paths, chosen)
    found = rule_diff(published_log(chosen, topic), [each.rule for each in checked])
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        for id_, lines in found.changed.items():
            out.print(f"changed: {id_}" + _would_be_refused(found.refused.get(id_)), markup=False, soft_wrap=True)
            for line in lines:
                style = "green" if line.startswith("+") else "red" if line.startswith("-") else None
                out.print(f"  {line}", style=style, markup=False, highlight=False, soft_wrap=True)
        for id_ in found.new:
            out.print(f"new: {id_}" + _would_be_refused(found.refused.get(id_)))
        for id_ in found.missing:
            out.print(f"missing: {id_} is in force and not in these files; `livetags rules retire {id_}` withdraws it")
        out.print(
            f"{len(found.new)} new, {len(found.changed)} changed, {len(found.same)} same, {len(found.missing)} missing"
        )
    if found.differs:
        raise typer.Exit(1)


@rules_app.command()
def publish(
    paths: Paths,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="evaluate and record them, send nothing; going live takes a new version")
    ] = False,
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Check rules and hand them to the running jobs: all of them, or none. Rules not in the files stay in force.

    \b
    Examples:
      livetags rules publish scenes/
      livetags rules publish video.yaml --shadow
    """
    chosen = load_settings(settings, set_)
    checked = checked_or_refused(paths, chosen)
    wanted = [each.rule.model_copy(update={"shadow": True}) if shadow else each.rule for each in checked]
    try:
        update = _place(topic).publish(chosen, wanted)
    except NotPublishable as refused:
        raise _refused(RulesRefused(contradictions(checked, refused))) from None
    ids = [json.loads(document)["id"] for document in update.rules]
    if as_json:
        print(json.dumps({"published": ids, "same": len(wanted) - len(ids)}))
        return
    for id_ in ids:
        out.print(f"published: {id_}" + (", in shadow" if shadow else ""))
    out.print(
        f"{len(ids)} published, {len(wanted) - len(ids)} in force already: running jobs take them over within 1 s"
    )


@rules_app.command()
def retire(
    ids: Ids,
    topic: Topic = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Withdraw rules: running jobs no longer fire them. They can be published again.

    \b
    Examples:
      livetags rules retire video-fan
    """
    update = _place(topic).publish(load_settings(settings, set_), (), ids)
    if as_json:
        print(json.dumps({"retired": list(update.retired)}))
        return
    out.print(f"withdrawn: {', '.join(update.retired)}" if update.retired else "withdrawn already, nothing changed")


@rules_app.command()
def schema() -> None:
    """Print the JSON Schema of rule files, for editors.

    \b
    Examples:
      livetags rules schema > trigger-rule.schema.json
    and as the first line of a rule file:
      # yaml-language-server: $schema=trigger-rule.schema.json
    """
    print(rule_schema_text(), end="")


class _Place(Protocol):
    """Where rules are published."""

    def published(self, settings: Settings) -> RuleLog: ...

    def publish(self, settings: Settings, rules: Sequence[TriggerRule], retired: Sequence[str] = ()) -> RuleUpdate: ...


def _place(topic: bool) -> _Place:
    if topic:
        return rule_topic
    return rule_updates


def published_log(chosen: Settings, topic: bool) -> RuleLog:
    """All that was published; what jobs leave out is shown."""
    log = _place(topic).published(chosen)
    for reason in log.refused:
        err.print(f"left out, as the jobs do: {reason}", markup=False)
    return log


def checked_or_refused(paths: Sequence[Path], chosen: Settings) -> list[WrittenRule]:
    """Rules that can be used; else what is wrong with them is shown, and the command ends with exit code 1."""
    try:
        return checked_rules(paths, chosen)
    except RulesRefused as refused:
        raise _refused(refused) from None


def _refuse_contradictions(checked: Sequence[WrittenRule], chosen: Settings, topic: bool) -> None:
    """Raise `RulesRefused` for what is published otherwise; where that can't be read from here, say so."""
    try:
        log = _place(topic).published(chosen)
    except (DamagedRules, ValueError) as error:
        if topic:
            raise
        err.print(f"not compared with what is published: {error}", markup=False, soft_wrap=True)
        return
    try:
        news(log, [each.rule for each in checked], (), 0)
    except NotPublishable as refused:
        raise RulesRefused(contradictions(checked, refused)) from None


def contradictions(checked: Sequence[WrittenRule], refused: NotPublishable) -> list[Fault]:
    """What of written rules contradicts what is published, at the lines of the fields concerned."""
    by_id = {each.rule.id: each for each in checked}
    return [
        by_id[id_].fault(refused.fields.get(id_, "version"), f"{id_}: {reason}")
        for id_, reason in refused.reasons.items()
    ]


def _as_json(fault: Fault) -> dict[str, object]:
    return {"file": str(fault.file), "line": fault.line, "field": fault.field, "reason": fault.reason}


def _refused(refused: RulesRefused) -> typer.Exit:
    for fault in refused.faults:
        err.print(str(fault), markup=False, highlight=False, soft_wrap=True)
    err.print(f"{counted(len(refused.faults), 'mistake')}, nothing was changed")
    return typer.Exit(1)


def _newest(log: RuleLog, id_: str) -> TriggerRule | None:
    versions = log.versions(id_)
    return versions[max(versions)] if versions else None


def _valid(rule: TriggerRule) -> str:
    begin, end = (
        f"{word} {datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}" if given else ""
        for word, given, at_ms in zip(("from", "to"), (rule.valid_from, rule.valid_to), rule.valid_ms, strict=True)
    )
    return f"{begin} {end}".strip()


def _would_be_refused(reason: str | None) -> str:
    return f"; would be refused: {reason}" if reason else ""
