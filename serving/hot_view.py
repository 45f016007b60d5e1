"""A person's hot tags as readers see them, and how they are decoded and decayed.

The layout is that of `schemas.redis_keys`; a reader in another language does the same with HGETALL, GET and one
formula: ``weight * 2**(-(now - as_of) / half_life)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp2, ldexp
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from schemas.redis_keys import AS_OF_MS, DRIFT, DRIFT_SINCE_MS, ERASED_MS, OTHER_PREFIX, VERSION
from serving.read_errors import DamagedProfileError
from serving.tag_view import TagView

Presence = Literal["present", "absent", "erased"]

# Beyond this many half-lives a double is zero whatever it was; ldexp's exponent must fit a C int.
_GONE_HALF_LIVES = 2_200

_evidence_decoder = msgspec.json.Decoder(dict[str, int])
_numbers_decoder = msgspec.json.Decoder(list[float])


class Decaying(Protocol):
    """What decoding needs to know of a tag group."""

    @property
    def half_life_ms(self) -> int:
        """Half-life in milliseconds."""

    @property
    def numeric(self) -> bool:
        """Whether its tags may have a mean and a deviation."""


class HotView(Struct, frozen=True, gc=False):
    """One person's hot tags at one instant.

    Attributes
    ----------
    user
        Pseudonym.
    generation, n
        Version of the profile: rebuilds and erasures so far, distinct events folded in.
    as_of_ms
        Instant of the weights, milliseconds since the epoch.
    tags
        Heaviest first; tags below the floor are left out.
    other
        Group -> weight of the tags beyond the cap; only groups that have any.
    reason, changed_ms
        The newest change of behaviour in a few words, and about when it was; empty and 0 if none was noticed.
    presence
        ``absent``: never seen, faded, or moved to the person an identifier belongs to. ``erased``: the same, because
        the person was erased not long ago. Both have no tags.
    newest_event_ms
        The person's newest event; 0 without a profile.
    erased_ms
        Event time of the newest erasure, 0 if there was none. A profile that is present began anew after it.
    """

    user: str
    generation: int = 0
    n: int = 0
    as_of_ms: int = 0
    tags: tuple[TagView, ...] = ()
    other: dict[str, float] = {}
    reason: str = ""
    changed_ms: int = 0
    presence: Presence = "present"
    newest_event_ms: int = 0
    erased_ms: int = 0

    @property
    def version(self) -> tuple[int, int]:
        """``(generation, n)``; a larger one is newer."""
        return self.generation, self.n

    def weight(self, tag: str) -> float:
        """Weight of a tag, ``<group>:<name>``; 0 if it is not there."""
        return next((t.weight for t in self.tags if t.tag == tag), 0.0)


def hot_view(
    user: str,
    fields: Mapping[str, str],
    evidence: str | None,
    groups: Mapping[str, Decaying],
    *,
    at_ms: int | None = None,
    weight_floor: float = 0.0,
) -> HotView:
    """The profile of a hash and its times of evidence, as far as it is of these groups.

    Parameters
    ----------
    fields, evidence
        Values of the two keys of a person; there are fields.
    groups
        The groups to be read; tags of others are left out.
    at_ms
        The instant to decay to; None: the newest event, as stored. It assumes no further evidence, so it is not a way
        to ask for the past: see `serving.history.profile_as_of`. A clock a little behind the newest event is harmless.
    weight_floor
        Tags whose weight at that instant is below it are left out.

    Raises
    ------
    DamagedProfileError
        When it can't be read.
    ValueError
        When `at_ms` is so long before the newest event that weights overflow: most likely it is in seconds.
    """
    try:
        generation, _, n = fields[VERSION].partition("-")
        newest_event_ms = int(fields[AS_OF_MS])
        as_of_ms = newest_event_ms if at_ms is None else at_ms
        elapsed_ms = as_of_ms - newest_event_ms
        other = {
            name: decayed(float(text), elapsed_ms, group.half_life_ms)
            for name, group in groups.items()
            if (text := fields.get(OTHER_PREFIX + name)) is not None
        }
        tags = tag_views(fields, last_evidence_ms(evidence), groups, elapsed_ms, weight_floor)
        return HotView(
            user,
            int(generation),
            int(n),
            as_of_ms,
            tags,
            other,
            fields.get(DRIFT, ""),
            int(fields.get(DRIFT_SINCE_MS, 0)),
            "present",
            newest_event_ms,
            int(fields.get(ERASED_MS, 0)),
        )
    except OverflowError:
        raise too_early(as_of_ms, newest_event_ms) from None
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise damaged(type(error).__name__) from None


def last_evidence_ms(evidence: str | None) -> dict[str, int]:
    """Tag -> time of its newest evidence, from the JSON of the evidence key. It also says which fields are tags.

    Raises
    ------
    DamagedProfileError
        When it is no such JSON.
    """
    try:
        return _evidence_decoder.decode(evidence) if evidence is not None else {}
    except msgspec.DecodeError as error:
        raise damaged(type(error).__name__) from None


def tag_views(
    fields: Mapping[str, str],
    last_ms: Mapping[str, int],
    groups: Mapping[str, Decaying],
    elapsed_ms: int,
    weight_floor: float,
) -> tuple[TagView, ...]:
    """The tags of `last_ms` that are of these groups, `elapsed_ms` after the instant of their weights, heaviest first.

    The evidence names the tags, because a tag may itself be called ``x.mean``.

    Raises
    ------
    KeyError, ValueError, msgspec.DecodeError
        For a tag without a weight, or a weight that is no number.
    OverflowError
        For an instant some thousand half-lives before that of the weights.
    """
    rates = {name: (*_decay(elapsed_ms, g.half_life_ms), g.half_life_ms, g.numeric) for name, g in groups.items()}
    rate_of = rates.get
    mine = [(tag, ms, rate) for tag, ms in last_ms.items() if (rate := rate_of(tag.partition(":")[0])) is not None]
    # all at once, because a JSON decoder reads eighty numbers in 8 us, where `float` takes 30
    stored = _numbers_decoder.decode(f"[{','.join([fields[tag] for tag, _, _ in mine])}]")
    # negated, so that the heaviest comes first, and of equals the first by name
    found = [
        (-ldexp(weight * factor, halvings), tag, ms, half_life_ms, numeric)
        for (tag, ms, (factor, halvings, half_life_ms, numeric)), weight in zip(mine, stored, strict=True)
    ]
    found.sort()
    views = []
    for negated, tag, ms, half_life_ms, numeric in found:
        mean = std = None
        if numeric:
            mean, std = _beside(fields, last_ms, f"{tag}.mean"), _beside(fields, last_ms, f"{tag}.std")
        if not -weight_floor < negated < weight_floor:
            views.append(TagView(tag, -negated, mean, std, ms, half_life_ms))
    return tuple(views)


def _beside(fields: Mapping[str, str], last_ms: Mapping[str, int], name: str) -> float | None:
    """The number beside a tag's, unless that is a tag of its own."""
    text = fields.get(name)
    return None if text is None or name in last_ms else float(text)


def decayed(weight: float, elapsed_ms: int, half_life_ms: int) -> float:
    """``weight * 2**(-elapsed / half_life)``: whole half-lives exactly, the rest with one rounding."""
    factor, halvings = _decay(elapsed_ms, half_life_ms)
    return ldexp(weight * factor, halvings)


def damaged(kind: str) -> DamagedProfileError:
    """The error of a profile that can't be read; the cause's own text can quote a tag or a weight."""
    return DamagedProfileError(
        f"a hot profile can't be read ({kind}): expected the fields {VERSION}, {AS_OF_MS} and one number per tag, "
        "times of evidence for the same tags, and the half-life of each group in <prefix>:groups. Check that the "
        "prefix is right and that nothing but livetags writes those keys"
    )


def too_early(at_ms: int, newest_event_ms: int) -> ValueError:
    """The error of an instant long before the newest event."""
    return ValueError(
        f"the instant is {at_ms}, {newest_event_ms - at_ms} ms before the profile's newest event: expected the time "
        "now in ms"
    )


def _decay(elapsed_ms: int, half_life_ms: int) -> tuple[float, int]:
    """The factor of the part of a half-life, and the exponent of the whole ones."""
    whole, rest_ms = divmod(elapsed_ms, half_life_ms)
    return exp2(-rest_ms / half_life_ms), -min(max(whole, -_GONE_HALF_LIVES), _GONE_HALF_LIVES)
