"""Consent, erasure, export and rotation through both stages."""

from __future__ import annotations

import json

from stage_checks import DAY, HOUR, NOW_MS, T0, Stages
from test_identity_flow import consents, use, weights

from schemas.cleaning_memory import CleaningMemory, Place
from schemas.events import CardsOpened, Consent, Link, Registration, RightsRequest
from schemas.pseudonyms import DOCUMENT
from schemas.reasons import Reason
from udfs.stages.export import exported


def linked(stages: Stages) -> Stages:
    stages.batch([Link("msisdn", 1, T0, "p.1"), Link("imsi", 1, T0, "p.1"), *consents("msisdn")])
    return stages


def test_without_consent_an_event_is_refused_and_leaves_nothing() -> None:
    stages = Stages()
    stages.batch([Link("imsi", 1, T0, "p.1"), use("imsi", 2, T0 + HOUR)])
    assert [(letter.reason, letter.user) for letter in stages.result.dead_letters] == [(Reason.NO_CONSENT, "p.1")]
    assert stages.rows() == []
    assert "p.1" not in stages.result.people
    assert stages.balanced()


def test_a_withdrawal_holds_from_that_event_on_and_takes_what_there_was() -> None:
    stages = linked(Stages())
    stages.batch([use("imsi", 2, T0 + HOUR)])
    assert ("p.1", "content:video") in stages.rows()
    # in one batch: an event before, the withdrawal, an event after, and one that happened before but comes after
    stages.batch(
        [
            use("imsi", 3, T0 + 2 * HOUR, "music"),
            Consent("msisdn", 103, T0 + 3 * HOUR, "profiling", False, 1),
            use("imsi", 4, T0 + 4 * HOUR, "news"),
            use("imsi", 5, T0 + HOUR, "games"),
        ]
    )
    assert "content" not in stages.person("p.1").groups
    assert [tag for _, tag in stages.rows() if tag.startswith(("content", "app", "flow"))] == []
    assert [letter.reason for letter in stages.result.dead_letters] == [Reason.NO_CONSENT] * 2
    stages.batch([Consent("msisdn", 104, T0 + 5 * HOUR, "profiling", True, 1), use("imsi", 6, T0 + 6 * HOUR, "news")])
    assert set(weights(stages.person("p.1"))) == {"news"}
    assert stages.balanced()


def test_an_erasure_leaves_its_time_and_nothing_else_and_a_replay_does_not_bring_the_person_back() -> None:
    stages = linked(Stages())
    log = [use("imsi", n, T0 + n * HOUR) for n in range(2, 30)]
    stages.batch(log)
    stages.batch([RightsRequest("msisdn", 200, T0 + 2 * DAY, "erase", "case-1")])
    person = stages.person("p.1")
    assert (person.n, person.groups, person.consents, person.memory) == (0, {}, {}, None)
    assert person.erased_ms == T0 + 2 * DAY
    assert stages.rows() == []
    assert ("erase", "p.1", "") in stages.removals()
    stages.batch([*consents("msisdn"), *(use("imsi", n + 100, T0 + n * HOUR) for n in range(2, 30))])
    assert stages.rows() == []
    reasons = {(x.reason, x.user) for x in stages.result.dead_letters}
    assert {(Reason.ERASED, "")} <= reasons <= {(Reason.ERASED, ""), (Reason.LATE_BEYOND_HORIZON, "")}
    assert stages.balanced()


def test_who_comes_back_after_an_erasure_begins_anew_and_is_asked_again() -> None:
    stages = linked(Stages())
    stages.batch([use("imsi", 2, T0 + HOUR), RightsRequest("msisdn", 200, T0 + DAY, "erase", "case-1")])
    stages.batch([use("imsi", 3, T0 + 2 * DAY)])
    assert [letter.reason for letter in stages.result.dead_letters] == [Reason.NO_CONSENT]
    stages.batch([*consents("msisdn", T0 + 2 * DAY), use("imsi", 4, T0 + 3 * DAY, "music")])
    assert set(weights(stages.person("p.1"))) == {"music"}
    assert stages.person("p.1").generation == 1
    assert {link.identifier for hot in stages.hot for link in hot.links} == {"imsi", "msisdn"}


def test_an_erasure_while_no_job_ran_is_known_from_the_start() -> None:
    before = linked(Stages())
    before.batch([use("imsi", 2, T0 + HOUR)])
    after = Stages(erased={"p.1": T0 + 5 * DAY, "msisdn": T0 + 5 * DAY})
    for one, other in (
        (before.result.people, after.result.people),
        (before.result.identifiers, after.result.identifiers),
    ):
        other.update(one)
    after.batch([use("imsi", 3, T0 + 2 * HOUR), Consent("msisdn", 105, T0 + 2 * HOUR, "profiling", True, 1)])
    assert {letter.reason for letter in after.result.dead_letters} == {Reason.ERASED}
    assert after.rows() == []
    after.batch([*consents("msisdn", T0 + 6 * DAY), use("imsi", 4, T0 + 6 * DAY, "music")])
    assert set(weights(after.person("p.1"))) == {"music"}


def test_erasing_who_has_a_number_now_takes_nothing_from_who_had_it_before() -> None:
    stages = Stages(erased={"p.new": T0 + 20 * DAY})
    stages.batch([Link("number", 1, T0, "p.old"), *consents("number"), use("number", 2, T0 + HOUR, "games")])
    stages.batch([Link("number", 3, T0 + 10 * DAY, "p.new"), *consents("number", T0 + 11 * DAY)])
    stages.batch([use("number", 4, T0 + 12 * DAY, "news")])
    assert set(weights(stages.person("p.old"))) == {"games"}
    assert stages.person("p.new").n == 0 if "p.new" in stages.result.people else True
    assert {row[0] for row in stages.rows()} == {"p.old"}


def test_a_late_erasure_by_a_former_owner_takes_nothing_from_the_present_one() -> None:
    stages = Stages()
    stages.batch([Link("number", 1, T0, "p.old"), Link("number", 2, T0 + DAY, "p.new"), *consents("number", T0 + DAY)])
    events = [use("number", 10 + n, T0 + DAY + n * HOUR) for n in range(1, 4)]
    stages.batch(events)
    n = stages.person("p.new").n
    stages.batch([RightsRequest("number", 200, T0 + DAY - HOUR, "erase", "case-1"), *events])
    assert stages.person("p.new").n == n
    assert stages.result.door.duplicates == 3


def test_a_repeat_of_what_came_after_an_erasure_is_still_a_repeat() -> None:
    stages = Stages()
    stages.batch([*consents("alone"), use("alone", 1, T0 + HOUR)])
    stages.batch([RightsRequest("alone", 200, T0 + 2 * HOUR, "erase", "case-1")])
    stages.batch([*consents("alone", T0 + 3 * HOUR), use("alone", 2, T0 + 4 * HOUR), use("alone", 2, T0 + 4 * HOUR)])
    assert stages.result.door.duplicates == 1
    assert stages.identifier("alone").n == 3


def test_who_was_erased_under_the_previous_key_stays_erased_under_the_active_one() -> None:
    stages = Stages(erased={"alone": T0 + DAY}, previous={"new.alone": "alone"})
    stages.batch([*consents("new.alone"), use("new.alone", 1, T0 + HOUR)])
    assert stages.rows() == []
    assert {letter.reason for letter in stages.result.dead_letters} == {Reason.ERASED}


def test_a_withdrawal_after_the_profile_has_faded_still_clears_the_history() -> None:
    stages = linked(Stages())
    stages.batch([use("imsi", 2, T0 + HOUR)])
    stages.persons.sweep(NOW_MS + 2_000 * DAY, stages.rules, stages.result.profiles, lambda profile, now_ms: False)
    assert "p.1" not in stages.result.people
    stages.batch([Consent("msisdn", 103, T0 + 3 * HOUR, "profiling", False, 1)])
    assert stages.rows() == []


def test_a_copy_of_the_state_names_no_cell() -> None:
    stages = Stages()
    stages.batch([*consents("alone"), Consent("alone", 104, T0, "location_services", True, 1)])
    profile = stages.identifier("alone")
    profile.cleaning = CleaningMemory(place=Place("cell-17", T0))
    assert "cell-17" not in exported("case", "alone", profile)[0].document


def test_a_copy_of_the_state_shows_what_the_drift_detectors_know() -> None:
    stages = linked(Stages())
    stages.batch([use("imsi", 10 + day, T0 + day * DAY) for day in range(6)])
    drift = json.loads(exported("case", "p.1", stages.person("p.1"))[0].document)["drift"]
    assert drift["numbers"]["content:video"]["observed"] > 0.5
    assert drift["volume"]["events"] == 1


def test_a_document_is_nobodys_number() -> None:
    """Registrations are keyed by documents, which have pseudonyms of their own."""
    stages = Stages()
    stages.batch([registration("document", 1, T0, "p.1"), registration("document", 2, T0, "p.2")])
    assert stages.identifier("document").links == [(T0, "p.1"), (T0, "p.2")]
    assert DOCUMENT + "77" != "77"


def test_what_the_door_refuses_names_nobody() -> None:
    stages = linked(Stages())
    late = use("imsi", 9, T0 - 100 * DAY)
    stages.batch([use("imsi", 2, T0 + DAY), RightsRequest("msisdn", 200, T0 + 2 * DAY, "erase", "case-1"), late])
    assert [(each.reason, each.user) for each in stages.result.dead_letters] == [(Reason.LATE_BEYOND_HORIZON, "")]


def test_an_export_says_what_the_state_holds() -> None:
    stages = linked(Stages())
    stages.batch([use("imsi", 2, T0 + HOUR), RightsRequest("msisdn", 201, T0 + DAY, "export", "case-2")])
    [export] = [export for history in stages.history for export in history.exports]
    assert (export.request, export.user, export.part) == ("case-2", "p.1", "state")
    assert "video" in json.dumps(json.loads(export.document)["groups"]["content"])
    assert stages.person("p.1").n == 3  # asking is no behaviour


def test_an_identifier_moves_to_the_active_key_with_all_it_has() -> None:
    before = linked(Stages())
    before.batch([*consents("alone"), use("alone", 2, T0 + HOUR)])
    after = Stages(previous={"new.imsi": "imsi", "new.alone": "alone"})
    for one, other in (
        (before.result.people, after.result.people),
        (before.result.identifiers, after.result.identifiers),
    ):
        other.update(one)
    after.batch([use("new.imsi", 3, T0 + 2 * HOUR, "music"), use("new.alone", 4, T0 + 2 * HOUR, "news")])
    assert set(weights(after.person("p.1"))) == {"music"}
    assert set(weights(after.identifier("new.alone"))) == {"video", "news"}
    assert set(after.result.identifiers) == {"new.imsi", "new.alone", "msisdn"}
    assert ("move", "alone", "new.alone") in after.removals()
    assert [(link.identifier, link.person) for hot in after.hot for link in hot.links] == [("new.imsi", "p.1")]
    # a repeat of what came under the previous key is still a repeat
    after.batch([use("new.alone", 2, T0 + HOUR)])
    assert after.result.door.duplicates == 1


def registration(registrant: str, number: int, time_ms: int, person: str) -> Registration:
    return Registration(registrant, number, time_ms, person, age=30)


def test_everyone_whose_card_one_document_opened_learns_of_it() -> None:
    stages = Stages()
    stages.batch([registration("doc", n, T0 + n * DAY, f"p.{n}") for n in range(1, 5)])
    told = [
        (event.user, event.cards)
        for forwarded in stages.forwarded
        for _, _, event in forwarded.events
        if isinstance(event, CardsOpened)
    ]
    assert sorted(told) == sorted([*((f"p.{n}", 3) for n in (1, 2, 3)), *((f"p.{n}", 4) for n in (1, 2, 3, 4))])
    cards = {
        event.user: event.cards_of_registrant
        for forwarded in stages.forwarded
        for _, _, event in forwarded.events
        if isinstance(event, Registration)
    }
    assert cards == {"p.1": 1, "p.2": 2, "p.3": 3, "p.4": 4}
    assert stages.balanced()


def test_cards_opened_long_ago_do_not_count() -> None:
    stages = Stages()
    stages.batch([registration("doc", n, T0 + n * 31 * DAY, f"p.{n}") for n in range(1, 5)])
    assert all(not isinstance(e, CardsOpened) for f in stages.forwarded for _, _, e in f.events)
