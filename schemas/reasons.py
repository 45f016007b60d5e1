"""Reason codes of dead letters. A record that is not folded and not a duplicate carries exactly one of these."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a record could not be used; each member's text is stored and shown, so it never changes its meaning."""

    VALUE_MISSING = "value_missing"
    RECORD_TOO_LARGE = "record_too_large"
    MALFORMED = "malformed"
    KEY_MISSING = "key_missing"
    KEY_MISMATCH = "key_mismatch"
    EVENT_ID_MISSING = "event_id_missing"
    TAG_MISSING = "tag_missing"
    VALUE_NOT_FINITE = "value_not_finite"
    VALUE_NEGATIVE = "value_negative"
    TIME_BEFORE_MINIMUM = "time_before_minimum"
    TIME_IN_FUTURE = "time_in_future"
    LATE_BEYOND_HORIZON = "late_beyond_horizon"
    USER_FLOOD = "user_flood"
    HISTORY_REFUSED = "history_refused"
    KIND_MISSING = "kind_missing"
    PERSON_MISSING = "person_missing"
    CELL_UNKNOWN = "cell_unknown"
    PING_PONG = "ping_pong"
    SIGNAL_DRIFT = "signal_drift"
    VALUE_OUTLIER = "value_outlier"
    NO_CONSENT = "no_consent"
    ERASED = "erased"
    SINCE_IMPOSSIBLE = "since_impossible"
    NO_PROFILE = "no_profile"


MEANING: dict[Reason, str] = {
    Reason.VALUE_MISSING: "the record has no value (a Kafka tombstone or an empty line)",
    Reason.RECORD_TOO_LARGE: "longer than max_record_bytes; not parsed at all",
    Reason.MALFORMED: "could not be decoded as the feed's message: truncated, wrong type, bad UTF-8, too deep",
    Reason.KEY_MISSING: "neither the record's key nor its value names a subscriber",
    Reason.KEY_MISMATCH: "the record's key and its value name different subscribers",
    Reason.EVENT_ID_MISSING: "no identity of the event, so a repeat could not be told from a new one",
    Reason.TAG_MISSING: "nothing says which tag this is evidence for (for example a product without a category)",
    Reason.VALUE_NOT_FINITE: "a value is NaN, infinite, or beyond 1e15: it would spoil every sum it enters",
    Reason.VALUE_NEGATIVE: "a value that can't be negative is",
    Reason.TIME_BEFORE_MINIMUM: "event time before min_event_time: a broken clock or unit",
    Reason.TIME_IN_FUTURE: "event time later than now + future_tolerance_minutes: a broken clock",
    Reason.LATE_BEYOND_HORIZON: "older than the user's de-duplication horizon, so a repeat could not be told",
    Reason.USER_FLOOD: "more events of one user in one bucket of the horizon than max_events_per_bucket",
    Reason.HISTORY_REFUSED: "the profile was updated, but ClickHouse refused this row of its history",
    Reason.KIND_MISSING: "the record does not say what kind of event it is, or names one this build does not know",
    Reason.PERSON_MISSING: "the record does not say which person it is about",
    Reason.CELL_UNKNOWN: "the cell is not in the cell dictionary, so nobody can say where it is",
    Reason.PING_PONG: "a bounce between neighbouring cells, not a movement",
    Reason.SIGNAL_DRIFT: "a jump no one can travel, seen once: indoor signal drift",
    Reason.VALUE_OUTLIER: "a value beyond the business rules or far outside the user's own spread",
    Reason.NO_CONSENT: "the person has not consented to any purpose the event could be used for",
    Reason.ERASED: "from before the person's erasure: it must not bring them back",
    Reason.SINCE_IMPOSSIBLE: "a rebuild is asked for since a time that is missing, or later than the request itself",
    Reason.NO_PROFILE: "a rebuild is asked of somebody who has no profile, or is not known to be behind the identifier",
}


class Rejected(Exception):
    """Raised by a feed's `decode`: the record is unusable, for this reason. Carries no record content."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
