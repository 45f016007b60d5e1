"""Proving that the stores hold exactly what the log says: every user, every tag, every dead letter, every count.

The oracle's result is compared with Redis as readers read it, and with ClickHouse through a query of its own, so a
mistake in the job, in a sink, in a store or in a reader shows. Numbers agree to 1e-9 relative: sums in different orders
differ by rounding (about 1e-13 here), a lost or doubled event by far more.

Assumes that nothing writes meanwhile, and what `livetags.oracle` assumes of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec
import redis
from clickhouse_connect.driver.client import Client
from msgspec import Struct, field

from livetags.oracle import OracleProfile, OracleResult, OracleTag
from schemas.published_group import published
from schemas.redis_keys import catalogue_key, groups_key, identifier_key, profile_key
from schemas.rules import Rules
from schemas.settings import Settings
from serving.history import query_text
from serving.hot_tags import HotTags
from serving.hot_view import HotView
from serving.read_errors import DamagedProfileError
from udfs.tags import GROUPS

RELATIVE = 1e-9
"""Largest relative difference of two numbers that count as equal."""

_USERS_PER_CHUNK = 500
# Bounds the memory of the engine's window functions, and of the answer.
_EVIDENCE_PER_CHUNK = 400_000
_FIRST = 10
_MORE_IN_REDIS = "is in Redis, but the log has no event of that user"


class Verdict(Struct):
    """What was compared, and what differs.

    Attributes
    ----------
    users, tags
        Profiles compared, and tags in them (each with both stores).
    rows
        Rows of evidence in ClickHouse compared.
    dead_letters, events_in
        Dead letters compared, and records the log has.
    alarms
        Changes of behaviour compared.
    capped_groups
        Groups of a user beyond ``max_tags_per_group``, of which Redis was held to bounds and totals only.
    differences
        Kind of difference -> how many, the stores' names first: ``redis_weight``, ``clickhouse_user_missing`` ...
    first
        The first ten as text. They name users and tags: for the person who asked, not for a log.
    """

    users: int = 0
    tags: int = 0
    rows: int = 0
    dead_letters: int = 0
    events_in: int = 0
    alarms: int = 0
    capped_groups: int = 0
    differences: dict[str, int] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def to_json(self) -> str:
        """Everything as a JSON object, with ``ok``."""
        return msgspec.json.encode({"ok": self.ok, **msgspec.structs.asdict(self)}).decode()

    def add(self, kind: str, text: str) -> None:
        """Count one difference of this kind; keeps its text if it is among the first."""
        self.differences[kind] = self.differences.get(kind, 0) + 1
        if len(self.first) < _FIRST:
            self.first.append(f"{kind}: {text}")


def verify(
    oracle: OracleResult,
    redis_client: redis.Redis,
    clickhouse_client: Client,
    settings: Settings,
    on_progress: Callable[[int], None] | None = None,
    run_ids: tuple[str, ...] = (),
) -> Verdict:
    """Compare the stores with the oracle.

    Parameters
    ----------
    oracle
        `oracle.recompute` of the whole log the stores were built from.
    redis_client, clickhouse_client, settings
        The stores, and the settings the job ran with (prefix, database, floor, cap).
    on_progress
        Called now and then with the users compared so far; one compared with one store counts half.
    run_ids
        Runs whose counts add up to the log's. None named: all in ``run_counts``. A run that continued from a savepoint
        counts its predecessor's records too, so name only the last of such a chain.

    Notes
    -----
    Streams over the users in chunks; memory beside the oracle's does not grow with their number.
    """
    verdict = Verdict(events_in=oracle.counts.events_in)
    rules = settings.rules(GROUPS)
    _half_lives(verdict, rules, redis_client, clickhouse_client, settings)
    progress = _Progress(on_progress)
    _redis(verdict, oracle, rules, redis_client, settings.redis_key_prefix, progress)
    _clickhouse(verdict, oracle, rules, clickhouse_client, settings.clickhouse_database, progress)
    _dead_letters(verdict, oracle, clickhouse_client, settings.clickhouse_database)
    _links(verdict, oracle, redis_client, clickhouse_client, settings)
    _alarms(verdict, oracle, clickhouse_client, settings.clickhouse_database)
    _counts(verdict, oracle, clickhouse_client, settings.clickhouse_database, run_ids)
    return verdict


class _Progress:
    """Users compared so far, told after each chunk; each is compared with two stores."""

    def __init__(self, tell: Callable[[int], None] | None) -> None:
        self._tell = tell
        self._comparisons = 0

    def add(self, users: int) -> None:
        self._comparisons += users
        if self._tell is not None:
            self._tell(self._comparisons // 2)


def _half_lives(verdict: Verdict, rules: Rules, redis_client: Any, client: Client, settings: Settings) -> None:
    """Readers decay with the published half-lives, and read for the published purposes: they are part of the result."""
    expected = {name: rule.half_life_ms for name, rule in rules.groups.items()}
    half_lives = redis_client.hgetall(groups_key(settings.redis_key_prefix))
    in_redis = {_text(name): int(ms) for name, ms in half_lives.items()}
    rows = client.query(
        "SELECT tag_group, half_life_ms, kind FROM {database:Identifier}.tag_groups FINAL",
        parameters={"database": settings.clickhouse_database},
    ).result_rows
    in_clickhouse = {group: ms for group, ms, _ in rows}
    for store, found in (("redis", in_redis), ("clickhouse", in_clickhouse)):
        for group, ms in expected.items():
            if found.get(group) != ms:
                verdict.add(f"{store}_half_life", f"group {group} has {found.get(group)} ms, expected {ms}")
    catalogue = redis_client.hgetall(catalogue_key(settings.redis_key_prefix))
    declared = {_text(name): _text(document) for name, document in catalogue.items()}
    for known in GROUPS.values():
        # it says what a group may be read for, so a wrong one opens it to readers of another purpose
        if declared.get(known.name) != published(known, expected[known.name]).decode():
            told = f"group {known.name} is not published as declared; the job does that when it starts"
            verdict.add("redis_catalogue", told)
    for group, _, kind in rows:
        if group in rules.groups and (kind == "numeric") != rules.groups[group].numeric:
            verdict.add("clickhouse_group_kind", f"group {group} is listed as {kind}")


# Redis


def _redis(
    verdict: Verdict, oracle: OracleResult, rules: Rules, client: redis.Redis, prefix: str, progress: _Progress
) -> None:
    reader = HotTags(client, prefix)
    names = iter(oracle.profiles)
    while chunk := list(islice(names, _USERS_PER_CHUNK)):
        for user, view in _views(verdict, reader, chunk):
            if view is None:
                verdict.add("redis_user_missing", f"user {user}: no hot profile, or it has expired")
            else:
                _compare_view(verdict, user, oracle.profiles[user], view, rules)
        verdict.users += len(chunk)
        verdict.tags += sum(len(oracle.profiles[user].tags) for user in chunk)
        progress.add(len(chunk))
    # A scan may name a key twice, so the extra ones are collected
    extra: set[str] = set()
    begin, end = profile_key(prefix, "\0").split("\0")
    for key in client.scan_iter(match=_glob_escaped(begin) + "*", count=1_000):
        user = _text(key).removeprefix(begin).removesuffix(end)
        if user not in oracle.profiles:
            extra.add(user)
    for user in sorted(extra):
        verdict.add("redis_user_extra", f"user {user} {_MORE_IN_REDIS}")


def _views(verdict: Verdict, reader: HotTags, users: list[str]) -> Iterator[tuple[str, HotView | None]]:
    try:
        views = reader.read_many(users)
    except (DamagedProfileError, redis.ResponseError):
        # one by one, to tell whose it is and still compare the others
        for user in users:
            try:
                yield user, reader.read(user)
            except (DamagedProfileError, redis.ResponseError) as error:
                verdict.add("redis_user_unreadable", f"user {user}: {error}")
        return
    for user in users:
        yield user, views.get(user)


def _compare_view(verdict: Verdict, user: str, expected: OracleProfile, view: HotView, rules: Rules) -> None:
    if view.n != expected.n:
        verdict.add("redis_version", f"user {user}: {view.n} events folded, expected {expected.n}")
    if view.as_of_ms != expected.as_of_ms:
        verdict.add("redis_as_of", f"user {user}: as of {view.as_of_ms}, expected {expected.as_of_ms}")
        return  # weights of another instant can't be compared
    found = {t.tag: t for t in view.tags}
    by_group: dict[str, dict[str, OracleTag]] = {}
    for name, tag in expected.tags.items():
        group = name.partition(":")[0]
        if rules.groups[group].hot and not tag.superseded:
            by_group.setdefault(group, {})[name] = tag
    for group in view.other.keys() - by_group.keys():
        verdict.add("redis_other", f"user {user}: group {group} has _other, but no evidence in the log")
    for group, tags in by_group.items():
        capped = len(tags) > rules.max_tags_per_group
        if capped or group in view.other:
            if capped and group in view.other:
                verdict.capped_groups += 1
                _compare_capped(verdict, user, group, tags, view, rules)
            else:
                text = "has no" if capped else "has"
                verdict.add("redis_other", f"user {user}: group {group} of {len(tags)} tags {text} _other")
            found = {name: t for name, t in found.items() if name.partition(":")[0] != group}
            continue
        for name, tag in tags.items():
            hot = found.pop(name, None)
            if hot is None:
                if abs(tag.weight) >= 2 * rules.weight_floor:
                    verdict.add("redis_tag_missing", f"user {user}: {name} of weight {tag.weight:g} is not in Redis")
            else:
                _compare_tag(
                    verdict, "redis", f"user {user}: {name}", tag, (hot.weight, hot.mean, hot.std, hot.last_evidence_ms)
                )
    for name in found:
        verdict.add("redis_tag_extra", f"user {user}: {name} has no evidence in the log")


def _compare_capped(
    verdict: Verdict, user: str, group: str, tags: dict[str, OracleTag], view: HotView, rules: Rules
) -> None:
    """Beyond the cap a tag kept apart may be too low by at most "other", and the group's total is exact.

    Tags of the state below the floor are not in Redis, so the total may lack the floor once for each.
    """
    kept = {t.tag: t for t in view.tags if t.tag.partition(":")[0] == group}
    other = view.other[group]
    floor = rules.weight_floor
    slack = RELATIVE * (other + sum(abs(tag.weight) for tag in tags.values()))
    for name, tag in tags.items():
        hot = kept.pop(name, None)
        weight = hot.weight if hot is not None else 0.0
        low = tag.weight - other - slack - (floor if hot is None else 0.0)
        if not low <= weight <= tag.weight + slack:
            verdict.add("redis_capped_tag", f"user {user}: {name} is {weight!r}, expected {low!r} to {tag.weight!r}")
        if hot is not None and hot.last_evidence_ms > tag.last_ms:
            verdict.add("redis_last_evidence", f"user {user}: {name} has {hot.last_evidence_ms}, after {tag.last_ms}")
    for name in kept:
        verdict.add("redis_tag_extra", f"user {user}: {name} has no evidence in the log")
    in_group = [t for t in view.tags if t.tag.partition(":")[0] == group]
    if len(in_group) > rules.max_tags_per_group:
        verdict.add(
            "redis_capped_total", f"user {user}: group {group} keeps {len(in_group)} tags apart, beyond the cap"
        )
    total = sum(t.weight for t in in_group) + other
    expected = sum(tag.weight for tag in tags.values())
    lacking = floor * (rules.max_tags_per_group - len(in_group))
    if not expected - lacking - slack <= total <= expected + slack:
        verdict.add("redis_capped_total", f"user {user}: group {group} totals {total!r}, expected {expected!r}")


# ClickHouse


def _clickhouse(
    verdict: Verdict, oracle: OracleResult, rules: Rules, client: Client, database: str, progress: _Progress
) -> None:
    text = query_text("profiles_at_last_event")
    for from_user, before_user, users in _ranges(oracle):
        found: dict[str, dict[str, tuple[Any, ...]]] = {}
        parameters = {"database": database, "from_user": from_user, "before_user": before_user}
        for row in client.query(text, parameters=parameters).result_rows:
            found.setdefault(row[0], {})[row[1]] = tuple(row)
            verdict.rows += row[7]
        for user in users:
            tags = found.pop(user, None)
            if tags is not None:
                _compare_history(verdict, user, oracle.profiles[user], tags, rules)
            elif any(rules.groups[name.partition(":")[0]].history for name in oracle.profiles[user].tags):
                verdict.add("clickhouse_user_missing", f"user {user}: no evidence in ClickHouse")
        for user in found:
            verdict.add("clickhouse_user_extra", f"user {user} has evidence in ClickHouse, but no event in the log")
        progress.add(len(users))


def _ranges(oracle: OracleResult) -> Iterator[tuple[str, str, list[str]]]:
    """Ranges of users that cover every possible one, each with about `_EVIDENCE_PER_CHUNK` rows.

    Python orders text by code point, the server by bytes of UTF-8: the same order.
    """
    from_user = ""
    users: list[str] = []
    rows = 0
    for user in sorted(oracle.profiles):
        if rows >= _EVIDENCE_PER_CHUNK:
            yield from_user, user, users
            from_user, users, rows = user, [], 0
        users.append(user)
        rows += sum(tag.evidence_rows for tag in oracle.profiles[user].tags.values())
    yield from_user, "", users


def _compare_history(
    verdict: Verdict, user: str, expected: OracleProfile, tags: dict[str, tuple[Any, ...]], rules: Rules
) -> None:
    kept = {name: tag for name, tag in expected.tags.items() if rules.groups[name.partition(":")[0]].history}
    # The history's newest evidence: an event that is evidence for nothing moves the profile's instant alone
    newest_ms = max((tag.last_ms for tag in kept.values()), default=0)
    as_of_ms = next(iter(tags.values()))[2]
    if as_of_ms != newest_ms:
        verdict.add("clickhouse_as_of", f"user {user}: newest evidence {as_of_ms}, expected {newest_ms}")
        return  # weights of another instant can't be compared
    for name, tag in kept.items():
        row = tags.pop(name, None)
        what = f"user {user}: {name}"
        if row is None:
            verdict.add("clickhouse_tag_missing", f"{what} has no evidence in ClickHouse, expected {tag.evidence_rows}")
            continue
        _, _, _, weight, mean, std, last_ms, evidence_rows, value_sum, superseded = row
        if evidence_rows != tag.evidence_rows:
            verdict.add("clickhouse_rows", f"{what} has {evidence_rows} rows of evidence, expected {tag.evidence_rows}")
        if not _close(value_sum, tag.value_sum):
            verdict.add("clickhouse_values", f"{what}: values add up to {value_sum!r}, expected {tag.value_sum!r}")
        if bool(superseded) != tag.superseded:
            verdict.add("clickhouse_fact", f"{what} is {'' if superseded else 'not '}superseded")
        half_life_ms = rules.groups[name.partition(":")[0]].half_life_ms
        then = tag._replace(weight=tag.weight * 2.0 ** ((expected.as_of_ms - newest_ms) / half_life_ms))
        if max(abs(weight), abs(then.weight)) >= rules.weight_floor:
            _compare_tag(verdict, "clickhouse", what, then, (weight, mean, std, last_ms))
        elif last_ms != tag.last_ms:
            verdict.add("clickhouse_last_evidence", f"{what} has {last_ms}, expected {tag.last_ms}")
    for name in tags:
        verdict.add("clickhouse_tag_extra", f"user {user}: {name} has evidence in ClickHouse, but none in the log")


def _dead_letters(verdict: Verdict, oracle: OracleResult, client: Client, database: str) -> None:
    missing = set(oracle.dead_letters)
    rows = client.query_rows_stream(
        "SELECT feed, log, partition, offset, reason FROM {database:Identifier}.dead_letters FINAL",
        parameters={"database": database},
    )
    with rows:
        for row in rows:
            letter = tuple(row)
            if letter in missing:
                missing.discard(letter)
            else:
                verdict.add("dead_letter_extra", _letter_text(letter) + " is in ClickHouse, but was not expected")
    for letter in sorted(missing):
        verdict.add("dead_letter_missing", _letter_text(letter) + " is not in ClickHouse")
    verdict.dead_letters = len(oracle.dead_letters)


def _links(verdict: Verdict, oracle: OracleResult, redis_client: Any, client: Client, settings: Settings) -> None:
    """Whose the identifiers are decides whom an erasure and a reader reach, so both stores must agree with the log."""
    rows = client.query(
        "SELECT identifier, person, toUnixTimestamp64Milli(valid_from) FROM {database:Identifier}.identity_links FINAL",
        parameters={"database": settings.clickhouse_database},
    ).result_rows
    # after a rotation there are links of pseudonyms under the key before, which the log doesn't give any more
    keys = {identifier.partition(".")[0] for identifier, _, _ in oracle.links}
    found = {(str(name), str(person), int(ms)) for name, person, ms in rows if name.partition(".")[0] in keys}
    for identifier, person, _ in sorted(oracle.links - found):
        verdict.add("link_missing", f"identifier {identifier} to {person} is not in ClickHouse")
    for identifier, person, _ in sorted(found - oracle.links):
        verdict.add("link_extra", f"identifier {identifier} to {person} is in ClickHouse, but not in the log")
    newest: dict[str, tuple[int, str]] = {}
    for identifier, person, valid_from_ms in oracle.links:
        newest[identifier] = max(newest.get(identifier, (-1, "")), (valid_from_ms, person))
    names = iter(sorted(newest))
    while chunk := list(islice(names, _USERS_PER_CHUNK)):
        held = redis_client.mget([identifier_key(settings.redis_key_prefix, each) for each in chunk])
        for identifier, person in zip(chunk, held, strict=True):
            if person is None or _text(person) != newest[identifier][1]:
                verdict.add("redis_link", f"identifier {identifier} is not {newest[identifier][1]}'s in Redis")


def _alarms(verdict: Verdict, oracle: OracleResult, client: Client, database: str) -> None:
    """Every change of behaviour; whether its rebuild was refined is the clock's business, and taken from here."""
    rows = client.query(
        "SELECT user, kind, toUnixTimestamp64Milli(alarm_at), toUnixTimestamp64Milli(since), evidence, distance_bits, "
        "arrayMap(c -> c.1, rose), arrayMap(c -> c.1, fell) FROM {database:Identifier}.drift_alarms FINAL",
        parameters={"database": database},
    ).result_rows
    missing = dict(oracle.alarms)
    for user, kind, at_ms, since_ms, evidence, distance_bits, rose, fell in rows:
        what = f"user {user}: alarm {kind} at {at_ms}"
        expected = missing.pop((user, kind, at_ms), None)
        if expected is None:
            verdict.add("alarm_extra", f"{what} is in ClickHouse, but the log gives none")
            continue
        if since_ms != expected.since_ms:
            verdict.add("alarm_since", f"{what} has the change at {since_ms}, expected {expected.since_ms}")
        if not (_close(evidence, expected.evidence) and _close(distance_bits, expected.distance_bits)):
            verdict.add("alarm_evidence", f"{what} has evidence {evidence!r}, expected {expected.evidence!r}")
        if (list(rose), list(fell)) != ([c[0] for c in expected.rose], [c[0] for c in expected.fell]):
            verdict.add("alarm_tags", f"{what} names {rose} and {fell}")
    for user, kind, at_ms in sorted(missing):
        verdict.add("alarm_missing", f"user {user}: alarm {kind} at {at_ms} is not in ClickHouse")
    verdict.alarms = len(oracle.alarms)


def _letter_text(letter: tuple[Any, ...]) -> str:
    feed, log, partition, offset, reason = letter
    return f"feed {feed}, log {log}, partition {partition}, offset {offset}, {reason}"


def _counts(verdict: Verdict, oracle: OracleResult, client: Client, database: str, run_ids: tuple[str, ...]) -> None:
    rows = client.query(
        "SELECT run_id, shard, events_in, folded, duplicates, rejected FROM {database:Identifier}.run_counts FINAL "
        "WHERE empty({run_ids:Array(String)}) OR has({run_ids:Array(String)}, run_id)",
        parameters={"database": database, "run_ids": list(run_ids)},
    ).result_rows
    found = {"events_in": 0, "folded": 0, "duplicates": 0}
    rejected: dict[str, int] = {}
    missing: dict[str, int] = {}
    # a record enters at a shard of the doors and may end at one of the people, so only a whole run balances
    for run_id, _, events_in, folded, duplicates, rejected_here in rows:
        missing[run_id] = missing.get(run_id, 0) + events_in - folded - duplicates - sum(rejected_here.values())
        found["events_in"] += events_in
        found["folded"] += folded
        found["duplicates"] += duplicates
        for code, records in rejected_here.items():
            rejected[code] = rejected.get(code, 0) + records
    for run_id, records in missing.items():
        if records:
            verdict.add("counts", f"run {run_id}: {records} records in that are not accounted for")
    counts = oracle.counts
    for name, number in found.items():
        if number != getattr(counts, name):
            verdict.add("counts", f"{name} is {number}, expected {getattr(counts, name)}")
    for code in sorted(rejected.keys() | counts.rejected.keys()):
        if rejected.get(code, 0) != counts.rejected.get(code, 0):
            verdict.add(
                "counts", f"rejected {code} is {rejected.get(code, 0)}, expected {counts.rejected.get(code, 0)}"
            )


def _compare_tag(
    verdict: Verdict,
    store: str,
    what: str,
    expected: OracleTag,
    found: tuple[float, float | None, float | None, int],
) -> None:
    weight, mean, std, last_ms = found
    if not _close(weight, expected.weight):
        verdict.add(f"{store}_weight", f"{what} weighs {weight!r}, expected {expected.weight!r}")
    if last_ms != expected.last_ms:
        verdict.add(f"{store}_last_evidence", f"{what} has {last_ms}, expected {expected.last_ms}")
    # The mean and the deviation round in proportion to the values, not to themselves
    size = abs(expected.mean or 0.0) + (expected.std or 0.0)
    for name, number, right in (("mean", mean, expected.mean), ("std", std, expected.std)):
        if (number is None) != (right is None) or (
            number is not None and right is not None and not abs(number - right) <= RELATIVE * size
        ):
            verdict.add(f"{store}_{name}", f"{what} has {name} {number!r}, expected {right!r}")


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= RELATIVE * max(abs(a), abs(b))


def _glob_escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in text)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
