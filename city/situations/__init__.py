"""The truth about scenes: when each of the situations that the shipped rules look for really arises, for each person.

Told from what the city did before any dirt, by code that shares nothing with the job. `situations.jsonl` has a line for
each: ``scene`` (id of the rule), ``person_ref``, ``at_ms``, and what makes it doubtful, if anything does.

| scene | is true |
|---|---|
| traffic-80-used, traffic-all-used | at the reading that brought the use there, once a balance has told the plan |
| traffic-runs-out | at the month's first reading whose pace leaves nothing a day before its end (model) |
| traffic-surge | at a day's first flow that makes three minutes eight times as heavy as usual ones (model) |
| roaming-out, roaming-back | when the person lands in another province, lands at home |
| airport-left, station-entered, school-stay, mall-stay | by the itinerary: the person really went in and stayed |
| video-music-opened, property-site-opened | at the day's, the week's first flow to such an app |
| games-binge, car-brand-visits | at the flow that completes the number, the day's or week's first |
| group-calls | at the call that completes the number |
| renovation-search | at the day's first such search |
| home-seeker | when the decayed number of visits to property sites reaches five (model) |
| contact-rested | when the decayed number of contacts has fallen to two (model) |
| roaming-without-pass, packs-not-ordered, sms-not-clicked | when the time has passed in which it did not follow |
| recharge-large, bill-jump, order-returned, premium-phone | at the payment, the bill, the order, the registration |

``interests-changed`` is not told: it repeats drift alarms, and ``subscribers.jsonl`` says when interests changed.

Only what the rule may look at is told: the person has consented to its purposes at that time. ``doubtful``, so that it
may be noticed and need not be, are

- a visit that only a bounce between cells makes or ends: its first hop looks like a movement (`city.misplaced`);
- a phone whose model was not registered: its price band is then a guess;
- what time alone brings about in the last hour of the period, when no more records may come to notice it by;
- whatever hangs on a number in the week after it has changed hands: its counter is another person's.

Everything is told twice, of what happened and of what was seen of it in time (`city.situations.seen`). What is the same
is told without more. What happened and was not seen so is ``unseen``: the record with which a stay began came hours
later, or one of the visits of a count when others had completed it. What was seen and did not happen so is
``apparent``: the record that ended the stay came too late. Records out of order by minutes are seen, and no excuse.
"""

from __future__ import annotations

from city.situations.book import SituationBook

__all__ = ["SituationBook"]
