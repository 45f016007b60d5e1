"""What the profile operator emits, and what the hot sink writes. Packed as MessagePack, one element per batch."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec
import zstandard
from msgspec import Struct, field

from schemas.events import AnyEvent
from schemas.fleet_memory import FleetMemory

T = TypeVar("T")

Evidence = tuple[str, str, float]
"""(group, tag, value); one event names each (group, tag) at most once."""

FoldedEvent = tuple[str, str, int, int, Sequence[Evidence], int]
"""(feed, user, event time in ms, event id, what it was evidence for, number): one row of history per piece of evidence.

The number is that of the event among those folded into the profile (`Profile.n` after it): a rebuild that re-reads the
history tells by it what the profile held at the alarm from what came later, which no event time can.
"""

ChangedProfile = tuple[str, bytes]
"""(user, packed profile): the state itself, so that whoever shows it works in a task of its own."""


class HotProfile(Struct):
    """Full snapshot of one user's hot tags.

    Attributes
    ----------
    user
        Subscriber's id.
    version
        Fixed-width text of (generation, n); compares as text exactly as the pair does.
    as_of_ms
        Instant of the weights: the user's newest event.
    expires_at_ms
        Absolute time after which the profile may vanish.
    weights
        ``<group>:<tag>`` -> weight at `as_of_ms`. Numeric tags add ``.mean`` and ``.std``.
    other
        Group -> weight of the tags beyond the cap; only groups that have any.
    reason, changed_ms
        Newest change of behaviour in a few words, and about when it was; empty and 0 if none was noticed.
    last_evidence_ms
        ``<group>:<tag>`` -> time of the newest event that was evidence for it.
    erased_ms
        The newest erasure of this person that the profile takes account of; 0 if never.
    """

    user: str
    version: str
    as_of_ms: int
    expires_at_ms: int
    weights: dict[str, float]
    other: dict[str, float]
    last_evidence_ms: dict[str, int]
    erased_ms: int = 0
    reason: str = ""
    changed_ms: int = 0


class Removal(Struct, array_like=True):
    """Something of a user's that must leave both stores.

    Attributes
    ----------
    kind
        ``move``: everything of `user` but its dead letters now belongs to `to` (two profiles merged, or a key rotated).
        ``forget``: the tag
        groups in `groups`, consent to which was withdrawn. ``erase``: everything, for good, up to `time_ms`.
        ``unlink`` (hot store only): whose the identifier `user` is, because it has another pseudonym now.
    user
        Pseudonym.
    to
        Of a move: whose it is now.
    groups
        Of a withdrawal: tag groups.
    time_ms
        When it was decided, event time.
    number
        Of a move: the number its rows get (see `FoldedEvent`), that of the newest event of the merged profile; 0: they
        keep theirs.
    """

    kind: str
    user: str
    to: str = ""
    groups: tuple[str, ...] = ()
    time_ms: int = 0
    number: int = 0


class LinkedIdentifier(NamedTuple):
    """From a time on, an identifier belongs to a person (both pseudonyms); `person` is whose it is now."""

    identifier: str
    person: str
    valid_from_ms: int


Cause = Literal["pulse", "enter", "exit", "fade", "absence", "count"]


class Trigger(Struct, array_like=True):
    """A rule has fired for a person.

    Attributes
    ----------
    id
        Hash of person, rule, version and episode (`udfs.triggers.trigger_id`): the same in every replay.
    user
        Pseudonym of the person.
    rule, version
        Which rule.
    scene, purpose, priority, payload
        Of the rule, for whoever acts on it.
    cause
        An event that qualified, a level that began or ended, a tag that faded, something that did not follow, a number
        of times that was reached.
    episode
        Names the situation: the time it began, or the period of a rule that fires once per period.
    at_ms
        When the situation arose, event time; of what happens by itself the exact instant, not that of noticing it.
    decided_ms
        The operator's clock when it fired.
    shadow
        Recorded and not sent.
    feed, log, partition, offset
        Where the record lies that made it fire; empty and 0 if none did: time alone.
    event_id
        Identity of that event, 0 if none.
    values
        What the rule's conditions read, as of then.
    """

    id: str
    user: str
    rule: str
    version: int
    scene: str
    purpose: str
    priority: int
    cause: Cause
    episode: str
    at_ms: int
    decided_ms: int
    shadow: bool = False
    feed: str = ""
    log: str = ""
    partition: int = 0
    offset: int = 0
    event_id: int = 0
    values: dict[str, str | float | bool] = field(default_factory=dict)
    payload: dict[str, str] = field(default_factory=dict)


class Receipt(NamedTuple):
    """A trigger and when it could be read in the stream, milliseconds since the epoch; 0 of one that is not sent."""

    trigger: Trigger
    sent_ms: int


class RuleDocument(NamedTuple):
    """A version of a rule that takes effect, as JSON: what its triggers are explained by."""

    rule: str
    version: int
    document: str


class HotBatch(Struct, array_like=True):
    """What one batch of one shard changes in the hot store: users to remove, whole profiles, whose identifiers are.

    `triggers` are sent after the profiles, so whoever acts on one finds the profile that made it fire.
    """

    changed: list[ChangedProfile] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    links: list[LinkedIdentifier] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)


class Partial(NamedTuple):
    """The profile an identifier had before it was known whose it is, on its way to the person."""

    number: int
    identifier: str
    person: str
    profile: bytes


class Forwarded(Struct, array_like=True):
    """What a door passes on to one shard of the people.

    Attributes
    ----------
    events
        (number in the replay, position, event), the event's user being the person; a position of -1 is an event that
        no record stands for, so it is not counted.
    partials
        Profiles to be merged.
    """

    events: list[tuple[int, int, AnyEvent]] = field(default_factory=list)
    partials: list[Partial] = field(default_factory=list)


class Export(NamedTuple):
    """What the state held of a user who asked for it: a part's name and a JSON document."""

    request: str
    user: str
    part: str
    document: str


class DeadLetter(Struct, array_like=True):
    """One unusable record: where it is in its log and why it was refused. Never what it said.

    `user` is the pseudonym of whom it is about, empty when nobody can tell: erasing and exporting a person covers it.
    """

    feed: str
    log: str
    partition: int
    offset: int
    reason: str
    user: str = ""


ShareChange = tuple[str, float, float]
"""(``<group>:<tag>``, share before, share since)"""

AlarmKind = Literal["shares", "volume", "by_hand"]
AlarmStatus = Literal["noted", "provisional", "refined", "timed_out"]


class Alarm(Struct, array_like=True):
    """A change of one person's behaviour, and what became of the rebuild it called for.

    Attributes
    ----------
    user
        Pseudonym.
    kind
        ``shares``: what the person turns to. ``volume``: how much they do; calls for no rebuild. ``by_hand``: somebody
        asked for a rebuild.
    at_ms
        End of the bucket that raised it, event time; with `user` and `kind` the alarm's key.
    since_ms
        Estimated time of the change.
    generation
        Of the profile from here on.
    seq
        Events folded before it: ``FoldedEvent`` numbers up to this were in the profile.
    evidence, distance_bits
        e-detector R (1 or more), Jensen-Shannon divergence between the shares expected and those observed.
    rose, fell
        The tags whose shares changed most; of a volume alarm the tag is empty and the numbers are events a day.
    status
        ``noted``: no rebuild. ``provisional``: everything before the alarm is down-weighted. ``refined``: only what is
        older than `since_ms` is. ``timed_out``: as provisional, and it stays so.
    factor
        What earlier evidence of the rebuilt groups was multiplied by; 1 of a volume alarm.
    """

    user: str
    kind: AlarmKind
    at_ms: int
    since_ms: int
    generation: int
    seq: int
    evidence: float
    distance_bits: float
    rose: list[ShareChange] = field(default_factory=list)
    fell: list[ShareChange] = field(default_factory=list)
    status: AlarmStatus = "noted"
    factor: float = 1.0


PastPiece = tuple[str, str, int, float, float]
"""(group, tag, event time in ms, value, what earlier rebuilds have left of it: 1 for all)"""


class Rebuilt(NamedTuple):
    """What the history says for a rebuild: evidence folded before the alarm, from after the change; None that it did
    not say it in time.
    """

    alarm: Alarm
    rows: Sequence[PastPiece] | None


class FleetAlarm(NamedTuple):
    """Unusually many people of one shard came under suspicion at once: their detectors begin anew at `at_ms`."""

    shard: int
    at_ms: int
    suspects: int
    buckets: int
    usual_share: float


class ShardCounts(Struct, array_like=True):
    """Running totals of one shard since the state began, exact through failures because they are state themselves.

    Guarantee: ``events_in == folded + duplicates + sum(rejected.values())``. Of the people, `fired` are the triggers
    fired, and `newest_ms` is the newest event time.
    """

    shard: int
    events_in: int = 0
    folded: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # "<feed>/<reason>" -> records
    users: int = 0
    state_bytes: int = 0
    corrected: dict[str, int] = field(default_factory=dict)  # "<feed>/<correction>" -> records
    fleet: FleetMemory = field(default_factory=FleetMemory)
    fired: int = 0
    newest_ms: int = 0


class HistoryBatch(Struct, array_like=True):
    """What one batch of one shard adds to the history: events with their evidence, dead letters, the shard's totals.

    `removals` come before the batch's own events: those hold nothing of what was removed. `stage` is 0 of a door, 1 of
    the people: of batches that are written together those of the doors come first, because the people decide what
    becomes of what the doors have sent.
    """

    events: list[FoldedEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: ShardCounts | None = None
    removals: list[Removal] = field(default_factory=list)
    links: list[LinkedIdentifier] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    stage: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    fleet_alarms: list[FleetAlarm] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    rules: list[RuleDocument] = field(default_factory=list)


class DamagedBatch(ValueError):
    """Bytes that can't be read as a batch."""


_LEVEL = 1  # of zstd; higher ones gain a few percent here
_MAX_BYTES = 1 << 30  # unpacked; a batch is a few megabytes, a damaged header can claim anything

pack = msgspec.msgpack.Encoder().encode
_hot_decoder = msgspec.msgpack.Decoder(HotBatch)
_history_decoder = msgspec.msgpack.Decoder(HistoryBatch)
_forwarded_decoder = msgspec.msgpack.Decoder(Forwarded)
_counts_decoder = msgspec.msgpack.Decoder(ShardCounts)


def unpack_hot(packed: bytes) -> HotBatch:
    """Inverse of `pack` for what one batch changes in the hot store."""
    return _hot_decoder.decode(packed)


def pack_text(batch: HistoryBatch | Forwarded) -> str:
    """A batch as text.

    Text, because thread mode converts byte arrays going from Python to the JVM element by element. Compressed, because
    the window that collects batches copies them several times over and keeps them in checkpoints: 121 bytes an event
    become 20, for 0.2 us (docs/decisions/0006-cache-blobs.md).
    """
    return b64encode(zstandard.compress(pack(batch), _LEVEL)).decode("ascii")


def unpack_history(packed: bytes) -> HistoryBatch:
    """Inverse of `pack_text`, from the text's bytes.

    Raises
    ------
    DamagedBatch
        When it is no such text. Never returns less than was packed.
    """
    return _unpacked(packed, _history_decoder)


def unpack_forwarded(packed: bytes) -> Forwarded:
    """Inverse of `pack_text`, from the text's bytes.

    Raises
    ------
    DamagedBatch
        When it is no such text. Never returns less than was packed.
    """
    return _unpacked(packed, _forwarded_decoder)


def _unpacked(packed: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    try:
        compressed = b64decode(packed, validate=True)
        if zstandard.frame_content_size(compressed) > _MAX_BYTES:
            raise zstandard.ZstdError
        return decoder.decode(zstandard.decompress(compressed))
    except (ValueError, zstandard.ZstdError):
        # The decoder's text can quote values, so it is not passed on.
        msg = f"damaged batch ({len(packed)} bytes): restore from an earlier checkpoint"
        raise DamagedBatch(msg) from None


def unpack_counts(packed: bytes) -> ShardCounts:
    """Inverse of `pack` for a shard's totals."""
    return _counts_decoder.decode(packed)
