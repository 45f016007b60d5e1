"""The truth agrees with the events: people, places, interests, intents, consents, numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import h3

from tests.city.built_city import BuiltCity

DAY_MS = 86_400_000
AHEAD_MS = 8 * 3_600_000


def test_everybody_is_in_the_events(town: BuiltCity) -> None:
    seen: dict[str, set[str]] = {
        feed: {getattr(message, column) for _, message in town.records(feed)}
        for feed, column in {
            "signalling": "imsi",
            "dpi": "subscriber_id",
            "cdr": "msisdn",
            "billing": "account_id",
        }.items()
    }
    for person in town.people:
        assert person["imsi"] in seen["signalling"]
        assert person["imsi"] in seen["dpi"]
        assert person["msisdn"] in seen["cdr"]
    assert seen["billing"] <= {person["account"] for person in town.people}
    assert len(seen["billing"]) > len(town.people) / 2


def test_people_begin_with_links_registration_and_consents(town: BuiltCity) -> None:
    begins: dict[str, int] = {}
    owner: dict[str, str] = {}
    for _, link in town.records("link", {"duplicate"}):
        begins[link.person_ref] = (
            max(begins.get(link.person_ref, 0), link.event_time_ms)
            if not owner.get(link.identifier)
            else begins[link.person_ref]
        )
        owner[link.identifier] = link.person_ref
    registered = {message.person_ref: message for _, message in town.records("registration", {"duplicate"})}
    assert registered.keys() == {person["person_ref"] for person in town.people}
    for person in town.people:
        card = registered[person["person_ref"]]
        assert card.registrant_ref == person["registrant_ref"]
        assert card.account_id == person["account"]
        assert person["from_ms"] < card.event_time_ms
        assert owner[person["imsi"]] == owner[person["msisdn"]] == owner[person["account"]] == person["person_ref"]
    started = {person["imsi"]: person["from_ms"] for person in town.people}
    for feed, column in (("signalling", "imsi"), ("dpi", "subscriber_id")):
        for _, message in town.records(feed):
            assert message.event_time_ms >= started[getattr(message, column)] + 10_000
            assert message.event_time_ms < town.summary["end_ms"]


def test_numbers_that_change_hands(fortnight: BuiltCity) -> None:
    people = {person["person_ref"]: person for person in fortnight.people}
    takers = [person for person in fortnight.people if person["number_changed_hands"]]
    assert takers
    owners: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for _, link in fortnight.records("link", {"duplicate"}):
        owners[link.identifier].append((link.event_time_ms, link.person_ref))
    for taker in takers:
        giver = people[taker["number_changed_hands"]["from_person_ref"]]
        handed = [ref for _, ref in sorted(owners[taker["msisdn"]])]
        assert handed == [giver["person_ref"], taker["person_ref"]]
        assert giver["msisdn"] != taker["msisdn"]
        [(since_ms, ref)] = owners[giver["msisdn"]]
        assert ref == giver["person_ref"]
        assert since_ms <= taker["number_changed_hands"]["at_ms"]
    assert sum(len(each) > 1 for each in owners.values()) == len(takers)


def test_gangs_share_a_document(borough: BuiltCity) -> None:
    cards: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for person in borough.people:
        cards[person["registrant_ref"]].append(person)
    for members in cards.values():
        assert {person["fraud"] == "gang" for person in members} == {len(members) > 1}
        if len(members) > 1:
            assert 3 <= len(members) <= 12
            opened = [person["from_ms"] for person in members]
            assert max(opened) - min(opened) <= 3 * DAY_MS


def test_nights_at_home_and_days_at_work(town: BuiltCity) -> None:
    district_of = _district_of_cells(town)
    by_night: dict[str, Counter[str]] = defaultdict(Counter)
    by_day: dict[str, Counter[str]] = defaultdict(Counter)
    for _, seen in town.records("signalling", {"duplicate", "drift", "ping_pong"}):
        local_ms = seen.event_time_ms + AHEAD_MS
        hour, weekday = local_ms % DAY_MS // 3_600_000, (local_ms // DAY_MS + 3) % 7
        if hour < 5:
            by_night[seen.imsi][district_of[seen.cell_id]] += 1
        elif 11 <= hour < 16 and weekday < 5:
            by_day[seen.imsi][district_of[seen.cell_id]] += 1
    settled = [person for person in town.people if "business_traveller" not in person["traits"] and not person["fraud"]]
    at_home = [
        by_night[person["imsi"]].most_common(1)[0][0] == person["home_district"]
        for person in settled
        if by_night[person["imsi"]]
    ]
    at_work = [
        by_day[person["imsi"]].most_common(1)[0][0] == person["work_district"]
        for person in settled
        if person["work_district"] and by_day[person["imsi"]]
    ]
    # A home at the edge of its district is now and then served from next door.
    assert sum(at_home) / len(at_home) > 0.95
    assert sum(at_work) / len(at_work) > 0.95


def test_movers_sleep_in_a_new_estate(fortnight: BuiltCity) -> None:
    district_of = _district_of_cells(fortnight)
    kinds = {row["district"]: row["kind"] for row in fortnight.dictionary("districts")}
    movers = {person["imsi"]: person["moved"] for person in fortnight.people if person["moved"]}
    assert movers
    nights: dict[str, Counter[str]] = defaultdict(Counter)
    for _, seen in fortnight.records("signalling", {"duplicate", "drift", "ping_pong"}):
        move = movers.get(seen.imsi)
        if move and seen.event_time_ms > move["at_ms"] and (seen.event_time_ms + AHEAD_MS) % DAY_MS < 5 * 3_600_000:
            nights[seen.imsi][district_of[seen.cell_id]] += 1
    for imsi, move in movers.items():
        assert nights[imsi].most_common(1)[0][0] == move["to_district"]
        assert kinds[move["to_district"]] == "new_estate"


def test_most_flows_are_of_the_interests_then_active(fortnight: BuiltCity) -> None:
    people = {person["imsi"]: person for person in fortnight.people}
    category_of = {row["alias"]: row["category"] for row in fortnight.dictionary("apps")}
    wanted = total = 0
    for _, flow in fortnight.records("dpi", {"duplicate"}):
        active = {
            interest["category"]
            for interest in people[flow.subscriber_id]["interests"]
            if interest["from_ms"] <= flow.event_time_ms < interest["to_ms"]
        }
        category = category_of[flow.app.lower()]
        assert flow.category in ("", category)
        if active:
            total += 1
            wanted += category in active
    assert wanted / total > 0.7
    changing = [
        person
        for person in fortnight.people
        if len({(interest["from_ms"], interest["to_ms"]) for interest in person["interests"]}) > 1
    ]
    assert len(changing) > len(fortnight.people) / 10


def test_searches_show_the_intents(fortnight: BuiltCity) -> None:
    people = {person["imsi"]: person for person in fortnight.people}
    words = {row["keyword"]: row["intent"] for row in fortnight.dictionary("keywords")}
    longest = sorted(words, key=len, reverse=True)
    found: Counter[bool] = Counter()
    for _, flow in fortnight.records("dpi", {"duplicate"}):
        word = next((word for word in longest if flow.search_keyword and word in flow.search_keyword), None)
        if word:
            found[
                any(
                    intent["intent"] == words[word] and intent["from_ms"] <= flow.event_time_ms < intent["to_ms"]
                    for intent in people[flow.subscriber_id]["intents"]
                )
            ] += 1
    assert found[True] > 4 * found[False]


def test_consents_at_the_end(borough: BuiltCity) -> None:
    person_of = {link.identifier: link.person_ref for _, link in borough.records("link")}
    decided: dict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    for _, consent in borough.records("consent"):
        mine = decided[person_of[consent.msisdn]]
        purpose = consent.purpose or "necessary"
        newest = (consent.event_time_ms, consent.decision == 1)
        mine[purpose] = max(mine.get(purpose, newest), newest)
    for person in borough.people:
        if person["number_changed_hands"] or len(person["msisdns"]) > 1:
            continue
        ours = {purpose: granted for purpose, (_, granted) in decided[person["person_ref"]].items()}
        assert {purpose for purpose, granted in person["consents"].items() if granted} == {
            purpose for purpose, granted in ours.items() if granted
        }
    refused = sum(not person["consents"]["necessary"] for person in borough.people)
    assert 0.01 < refused / len(borough.people) < 0.04


def test_preferred_channel_responds_best(borough: BuiltCity) -> None:
    channels = ("", "sms", "push", "call", "popup")
    liked = {msisdn["msisdn"]: person["preferred_channel"] for person in borough.people for msisdn in person["msisdns"]}
    opened: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    for _, contact in borough.records("contact", {"duplicate"}):
        opened[liked[contact.msisdn] == channels[contact.channel]][contact.result] += 1
    rate = {like: counts[3] / counts[2] for like, counts in opened.items()}
    assert rate[True] > 2.5 * rate[False]
    assert set(opened[True]) | set(opened[False]) == set(range(1, 8))


def test_friends_call_each_other(town: BuiltCity) -> None:
    people = {person["person_ref"]: person for person in town.people}
    number_of = {msisdn["msisdn"]: person["person_ref"] for person in town.people for msisdn in person["msisdns"]}
    for person in town.people:
        assert all(person["person_ref"] in people[friend]["circle"] for friend in person["circle"])
    for _, call in town.records("cdr"):
        if call.peer_msisdn in number_of and call.kind in (1, 2):
            one, other = number_of[call.msisdn], number_of[call.peer_msisdn]
            if len(people[one]["msisdns"]) + len(people[other]["msisdns"]) == 2:
                handed = people[one]["number_changed_hands"] or people[other]["number_changed_hands"]
                assert handed or other in people[one]["circle"]


def test_dictionaries_cover_what_is_used(town: BuiltCity) -> None:
    aliases = {name: {row["alias"] for row in town.dictionary(name)} for name in ("apps", "devices", "regions")}
    cells = {row["cell_id"] for row in town.dictionary("cells")}
    assert {seen.cell_id for _, seen in town.records("signalling")} <= cells
    used = {text.lower() for _, flow in town.records("dpi") for text in (flow.app, flow.url_host) if text}
    assert used <= aliases["apps"]
    cards = [card for _, card in town.records("registration")]
    assert {card.device_model.lower() for card in cards if card.device_model} <= aliases["devices"]
    assert {card.region.lower() for card in cards} <= aliases["regions"]
    assert len(_district_of_cells(town)) == len(cells)
    assert len({row["district"] for row in town.dictionary("districts")}) >= 25


def _district_of_cells(city: BuiltCity) -> dict[str, str]:
    district = {row["h3"]: row["district"] for row in city.dictionary("districts")}
    return {
        row["cell_id"]: district[h3.latlng_to_cell(float(row["latitude"]), float(row["longitude"]), 8)]
        for row in city.dictionary("cells")
    }
