"""The client against real servers, the newest and the oldest supported, blocking and in asyncio."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from blocking_client import CLIENTS
from made_catalogue import DAY_MS, HALF_LIVES_MS, MADE
from store_servers import ValkeyServer

from schemas.outputs import HotProfile, LinkedIdentifier, Removal
from schemas.redis_keys import audit_key, groups_key, profile_key
from serving.audit import AuditRecord, lost_records, newest_records
from serving.hot_view import HotView
from serving.read_errors import (
    CatalogueMissing,
    DamagedProfileError,
    PurposeRefused,
    ReadError,
    RedisAway,
    RedisRefuses,
    RedisTooSlow,
    RedisUnready,
    UnknownGroup,
)
from serving.tag_view import TagView
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores

AS_OF_MS = 1_767_225_600_000
NOW_MS = AS_OF_MS + 7 * DAY_MS
EXPIRES_MS = 4_102_444_800_000

WEIGHTS = {
    "content:news": 8.0,
    "content:sport": 2.0,
    "content:faint": 1e-6,
    "visit_min:all": 64.0,
    "faith:x": 3.0,
    "channel:sms": 5.0,
}
NUMERIC = {"visit_min:all.mean": 12.5, "visit_min:all.std": 0.5}

Make = Callable[..., Any]


@pytest.fixture(params=["valkey", "redis7"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture(params=["valkey", "redis7"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of this test alone, to be mistreated."""
    kind = ValkeyServer if request.param == "valkey" else request.getfixturevalue("redis7_server")
    server = kind(tmp_path, "own")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=list(CLIENTS))
def make(request: pytest.FixtureRequest, prefix: str) -> Iterator[Make]:
    """Makes clients of either kind, of a reader for profiling unless told otherwise."""
    made = []

    def client(url: str, **options: Any) -> Any:
        stated = {"reader": "crm", "purpose": "profiling", "prefix": prefix, "clock_ms": lambda: NOW_MS}
        made.append(CLIENTS[request.param](url, **(stated | options)))
        return made[-1]

    yield client
    for each in made:
        each.close()


def fill(url: str, prefix: str, *users: str, last_ms: int = AS_OF_MS - 5) -> RedisHotSink:
    """Profiles of these users, written by the job's own sink."""
    sink = RedisHotSink(url, prefix, 5.0, 10.0)
    sink.open(HALF_LIVES_MS, MADE)
    sink.write_batch([profile(user, last_ms=last_ms) for user in users])
    return sink


def profile(user: str, n: int = 17, last_ms: int = AS_OF_MS - 5) -> HotProfile:
    made = HotProfile(
        user,
        version_of(2, n),
        AS_OF_MS,
        EXPIRES_MS,
        WEIGHTS | NUMERIC,
        {"content": 1.0, "channel": 1.0},
        dict.fromkeys(WEIGHTS, last_ms),
    )
    made.reason, made.changed_ms = "since 2025-12-20: more content:news", 99
    return made


def trail(url: str, prefix: str) -> list[AuditRecord]:
    with redis.Redis.from_url(url) as client:
        return newest_records(client, prefix, 100)[::-1]


def test_a_profile_has_the_tags_of_its_purpose_decayed_to_now(url: str, prefix: str, make: Make) -> None:
    fill(url, prefix, "p.one").close()
    week, day = HALF_LIVES_MS["content"], HALF_LIVES_MS["visit_min"]
    news = TagView("content:news", 4.0, None, None, AS_OF_MS - 5, week)
    sport = TagView("content:sport", 1.0, None, None, AS_OF_MS - 5, week)
    visits = TagView("visit_min:all", 0.5, 12.5, 0.5, AS_OF_MS - 5, day)
    expected = HotView(
        user="p.one",
        generation=2,
        n=17,
        as_of_ms=NOW_MS,
        tags=(news, sport, visits),
        other={"content": 0.5},
        reason="since 2025-12-20: more content:news",
        changed_ms=99,
        newest_event_ms=AS_OF_MS,
    )
    assert make(url).profile("p.one") == expected
    faith = TagView("faith:x", 1.5, None, None, AS_OF_MS - 5, week)
    assert make(url, sensitive=True).profile("p.one").tags == (news, faith, sport, visits)
    assert [t.tag for t in make(url, purpose="marketing").profile("p.one").tags] == ["channel:sms"]
    assert make(url, purpose="security", sensitive=True).profile("p.one").tags == ()
    assert make(url).stating(reader="sms", purpose="marketing").profile("p.one").weight("channel:sms") > 4.0


def test_who_has_no_profile_is_absent_or_erased(url: str, prefix: str, make: Make) -> None:
    sink = fill(url, prefix, "p.one", "p.two", "p.three")
    sink.remove([Removal("erase", "p.two", time_ms=77)])
    sink.remove([Removal("erase", "p.three", time_ms=78)])
    returned = profile("p.three")
    returned.erased_ms = 78
    sink.write_batch([returned])
    sink.close()
    client = make(url)
    views = client.profiles(["p.three", "p.nobody", "p.two", "p.one", "p.two"])
    assert [(v.user, v.presence, v.erased_ms, len(v.tags)) for v in views.values()] == [
        ("p.three", "present", 78, 3),
        ("p.nobody", "absent", 0, 0),
        ("p.two", "erased", 77, 0),
        ("p.one", "present", 0, 3),
    ]
    assert client.profile("p.nobody").presence == "absent"
    assert client.tags("p.two", ["content:news"]) == {}
    assert client.has("p.nobody", "content:news") is False


def test_tags_by_name_and_has(url: str, prefix: str, make: Make) -> None:
    fill(url, prefix, "p.one").close()
    client = make(url)
    whole = {t.tag: t for t in client.profile("p.one").tags}
    asked = ["visit_min:all", "content:news", "content:none", "content:faint", "visit_min:all.mean"]
    assert client.tags("p.one", asked) == {tag: whole[tag] for tag in ("content:news", "visit_min:all")}
    assert client.tags("p.one", []) == {}
    for tag, above, expected in (
        ("content:news", 0.0, True),
        ("content:news", 4.0, True),
        ("content:news", 4.0000001, False),
        ("content:none", 0.0, False),
        ("content:faint", 0.0, False),
        ("visit_min:all.mean", 0.0, False),
    ):
        assert client.has("p.one", tag, above=above) is expected, (tag, above)
    with pytest.raises(PurposeRefused, match="for the purpose marketing only"):
        client.has("p.one", "channel:sms")
    with pytest.raises(PurposeRefused, match="are sensitive"):
        client.tags("p.one", ["content:news", "faith:x"])
    with pytest.raises(UnknownGroup):
        client.tags("p.one", ["nothing:x"])


def test_every_read_of_persons_leaves_its_record(url: str, prefix: str, make: Make) -> None:
    fill(url, prefix, "p.one").close()
    client = make(url)
    before_ms = int(time.time() * 1_000) - 1_000
    client.profile("p.one")
    client.profiles(["p.one", "p.nobody"])
    client.tags("p.one", ["content:news"])
    client.has("p.nobody", "content:news")
    client.whose("k1.one")
    client.catalogue()
    assert client.health().ok
    sensitive = client.stating(reader="scoring", purpose="credit_risk", sensitive=True)
    sensitive.profile("p.two")
    with pytest.raises(PurposeRefused):
        client.has("p.one", "channel:sms")
    records = trail(url, prefix)
    assert [(r.operation, r.users) for r in records] == [
        ("profile", ("p.one",)),
        ("profiles", ("p.one", "p.nobody")),
        ("tags", ("p.one",)),
        ("has", ("p.nobody",)),
        ("whose", ("k1.one",)),
        ("profile", ("p.two",)),
    ]
    assert {(r.reader, r.purpose, r.sensitive) for r in records[:-1]} == {("crm", "profiling", False)}
    assert (records[-1].reader, records[-1].purpose, records[-1].sensitive) == ("scoring", "credit_risk", True)
    assert all(before_ms <= r.at_ms <= time.time() * 1_000 + 1_000 for r in records)


def test_no_answer_without_a_record(own_server: ValkeyServer, prefix: str, make: Make) -> None:
    fill(own_server.url, prefix, "p.one").close()
    client = make(own_server.url)
    with redis.Redis.from_url(own_server.url) as admin:
        admin.set(audit_key(prefix), "no stream")
        with pytest.raises(ReadError, match="nothing but livetags writes keys of this prefix"):
            client.profile("p.one")
        admin.delete(audit_key(prefix))
        admin.config_set("maxmemory", 1)
        with pytest.raises(RedisUnready, match="has memory left"):
            client.profile("p.one")
        admin.config_set("maxmemory", 0)
    assert client.profile("p.one").presence == "present"
    assert len(trail(own_server.url, prefix)) == 1


def test_the_trail_keeps_the_newest(url: str, prefix: str, make: Make) -> None:
    fill(url, prefix, "p.one").close()
    client = make(url, kept_records=150)
    for n in range(400):
        client.has(f"p.{n}", "content:news")
    records = trail(url, prefix)
    assert records[-1].users == ("p.399",)
    with redis.Redis.from_url(url) as admin:
        kept = admin.xlen(audit_key(prefix))
        assert 150 <= kept < 300  # whole blocks of the stream go at a time
        assert lost_records(admin, prefix) == 400 - kept


def test_half_lives_that_change_hold_from_the_next_read(url: str, prefix: str, make: Make) -> None:
    sink = fill(url, prefix, "p.one")
    client = make(url)
    assert client.profile("p.one").weight("content:news") == 4.0
    sink.open(HALF_LIVES_MS | {"content": DAY_MS}, MADE)
    assert client.profile("p.one").weight("content:news") == 8.0 / 128
    assert client.tags("p.one", ["content:news"])["content:news"].half_life_ms == DAY_MS
    sink.close()


def test_readers_that_know_only_the_half_lives_still_read(url: str, prefix: str) -> None:
    fill(url, prefix, "p.one").close()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        assert client.hgetall(groups_key(prefix)) == {name: str(ms) for name, ms in HALF_LIVES_MS.items()}


def test_an_identifiers_person(url: str, prefix: str, make: Make) -> None:
    sink = fill(url, prefix, "p.one")
    sink.link([LinkedIdentifier("k1.abc", "p.one", 5)])
    sink.close()
    assert make(url).whose("k1.abc") == "p.one"
    assert make(url).whose("k1.xyz") is None


def test_where_nothing_is_published_nothing_is_read(url: str, prefix: str, make: Make) -> None:
    sink = RedisHotSink(url, prefix, 5.0, 10.0)
    sink.open(HALF_LIVES_MS)  # as a job of a build before purposes were published
    sink.write_batch([profile("p.one")])
    sink.close()
    client = make(url)
    with pytest.raises(CatalogueMissing, match=f"no tag groups are published in {prefix}:catalogue"):
        client.profile("p.one")
    found = client.health()
    assert (found.ok, found.groups) == (False, 0)
    assert "no tag groups" in found.problem


def test_a_damaged_profile_names_nobody(url: str, prefix: str, make: Make) -> None:
    fill(url, prefix, "p.secret", "p.one").close()
    with redis.Redis.from_url(url) as admin:
        admin.hset(profile_key(prefix, "p.secret"), "content:news", "much")
    client = make(url)
    with pytest.raises(DamagedProfileError, match="Check that the prefix is right") as refusal:
        client.profiles(["p.one", "p.secret"])
    assert "p.secret" not in str(refusal.value)
    with pytest.raises(DamagedProfileError):
        client.has("p.secret", "content:news")
    assert client.profile("p.one").presence == "present"


def test_a_server_that_is_away_and_comes_back(own_server: ValkeyServer, prefix: str, make: Make) -> None:
    fill(own_server.url, prefix, "p.one").close()
    client = make(own_server.url, timeout_s=0.5)
    assert client.profile("p.one").presence == "present"
    own_server.kill()
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(RedisAway, match=r"Redis at redis://127\.0\.0\.1:\d+/0 does not answer .* is it running"):
            client.profile("p.one")
    assert not client.health().ok
    assert time.monotonic() - began < 3.0
    own_server.start()
    assert client.profile("p.one").presence == "present", "without a new client"


def test_a_server_that_hangs_is_given_up_in_time(own_server: ValkeyServer, prefix: str, make: Make) -> None:
    fill(own_server.url, prefix, "p.one").close()
    client = make(own_server.url, timeout_s=0.25)
    assert client.profile("p.one").presence == "present"
    with redis.Redis.from_url(own_server.url) as admin:
        admin.execute_command("CLIENT", "PAUSE", 1_000)
        began = time.monotonic()
        with pytest.raises(RedisTooSlow, match=r"did not answer within timeout_s=0\.25"):
            client.profile("p.one")
        assert time.monotonic() - began < 0.75
        admin.execute_command("CLIENT", "UNPAUSE")
    # the late answer belongs to nobody: it must not be taken for the next one's
    assert client.profile("p.nobody").user == "p.nobody"
    assert client.profiles(["p.one", "p.nobody"])["p.one"].presence == "present"


def test_connections_are_waited_for_no_longer_than_the_time_out(own_server: ValkeyServer, prefix: str) -> None:
    fill(own_server.url, prefix, "p.one").close()
    client = CLIENTS["sync"](
        own_server.url, reader="crm", purpose="profiling", prefix=prefix, timeout_s=0.3, max_connections=1
    )
    errors: list[Exception] = []

    def read() -> None:
        try:
            client.profile("p.one")
        except ReadError as error:
            errors.append(error)

    with redis.Redis.from_url(own_server.url) as admin:
        client.health()
        admin.execute_command("CLIENT", "PAUSE", 2_000)
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        admin.execute_command("CLIENT", "UNPAUSE")
    assert [type(error) for error in errors] == [RedisTooSlow] * 3
    assert any("max_connections" in str(error) for error in errors)
    client.close()


def test_threads_share_a_client(url: str, prefix: str) -> None:
    fill(url, prefix, *(f"p.{n}" for n in range(8))).close()
    client = CLIENTS["sync"](url, reader="crm", purpose="profiling", prefix=prefix, max_connections=4)
    wrong: list[str] = []

    def read(user: str) -> None:
        for _ in range(50):
            if client.profile(user).user != user or client.profile(user).n != 17:
                wrong.append(user)

    threads = [threading.Thread(target=read, args=(f"p.{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(trail(url, prefix)) == 100
    client.close()


def test_a_view_is_never_parts_of_two_versions(url: str, prefix: str, make: Make) -> None:
    sink = fill(url, prefix, "p.one")
    client = make(url)
    done = threading.Event()

    def write() -> None:
        for n in range(18, 300):
            names = {f"content:{n}-{i}": float(n) for i in range(5)}
            sink.write_batch(
                [HotProfile("p.one", version_of(2, n), NOW_MS, EXPIRES_MS, names, {}, dict.fromkeys(names, n))]
            )
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        view = client.profile("p.one")
        seen.add(view.n)
        if view.n > 17:
            assert {(t.weight, t.last_evidence_ms) for t in view.tags} == {(float(view.n), view.n)}
    writer.join()
    sink.close()
    assert len(seen) > 2


def test_a_user_with_the_documented_rules_may_read_and_nothing_else(
    own_server: ValkeyServer, prefix: str, make: Make
) -> None:
    fill(own_server.url, prefix, "p.one").close()
    document = (Path(__file__).parents[2] / "docs" / "reading-redis.md").read_text()
    [line] = [line for line in document.splitlines() if line.startswith("ACL SETUSER")]
    with redis.Redis.from_url(own_server.url) as admin:
        admin.execute_command(*line.replace("lt:", f"{prefix}:").split())
    name, password = line.split()[2], line.split()[4].removeprefix(">")
    client = make(own_server.url.replace("://", f"://{name}:{password}@"))
    assert client.profile("p.one").presence == "present"
    assert client.has("p.one", "content:news")
    assert client.tags("p.one", ["content:news"])
    assert client.whose("k1.one") is None
    assert client.health().ok
    assert len(trail(own_server.url, prefix)) == 4
    with redis.Redis.from_url(own_server.url.replace("://", f"://{name}:{password}@")) as raw:
        for command in (
            ("HSET", profile_key(prefix, "p.one"), "content:news", "9"),
            ("DEL", audit_key(prefix)),
            ("XRANGE", audit_key(prefix), "-", "+"),
            ("XTRIM", audit_key(prefix), "MAXLEN", "0"),
            ("GET", "elsewhere"),
            ("KEYS", "*"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                raw.execute_command(*command)


@pytest.mark.parametrize("login", ["wrong:password@", "reader:wrong@"])
def test_a_wrong_user_or_password_is_refused(own_server: ValkeyServer, prefix: str, make: Make, login: str) -> None:
    fill(own_server.url, prefix, "p.one").close()
    with redis.Redis.from_url(own_server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">right", "~*", "+@all")
    with pytest.raises(RedisRefuses, match=r"docs/reading-redis\.md") as refusal:
        make(own_server.url.replace("://", f"://{login}")).profile("p.one")
    assert "wrong" not in str(refusal.value)


def test_a_user_who_may_not_add_to_the_trail_reads_nothing(own_server: ValkeyServer, prefix: str, make: Make) -> None:
    fill(own_server.url, prefix, "p.one").close()
    with redis.Redis.from_url(own_server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">right", f"%R~{prefix}:*", "+@all")
    with pytest.raises(RedisRefuses, match="add to the audit trail") as refusal:
        make(own_server.url.replace("://", "://reader:right@")).profile("p.one")
    assert "p.one" not in str(refusal.value)
