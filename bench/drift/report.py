"""The report: Markdown made of the results alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from bench.drift.jobs import BASKETS, FROM_SIMULATED, LEAVE_OUT, LEFT_OUT, LOSS
from bench.drift.metrics import Rate, false_alarms, found, time_ratio
from bench.drift.ours import ablations
from bench.drift.outcome import Outcome
from bench.drift.pictures import draw_all
from bench.drift.quality import DAYS, POLICIES
from bench.drift.results import Results
from bench.drift.rivals import RIVALS
from bench.drift.scenarios import SCENARIOS, STRATA
from bench.drift.targets import (
    ABRUPT,
    BIG,
    BIG_WINDOW,
    NULLS,
    OURS,
    SHORT_TRIPS,
    SMALL,
    SMALL_WINDOW,
    best_rivals,
    judge,
    of_size,
    pooled,
    seasonal_recall,
    silent,
    week_gain,
)
from bench.drift.volume import NAME as VOLUME
from bench.drift.volume import WINDOW_DAYS

NULL_SCENARIOS = tuple(one.key for one in SCENARIOS.values() if one.null)


def write_report(results: Results, text: Path) -> list[str]:
    """Write the report and its pictures; returns lines for the terminal."""
    text.parent.mkdir(parents=True, exist_ok=True)
    pictures = draw_all(results, text)
    lines = list(_report(results, [(caption, file.name) for caption, file in pictures]))
    text.write_text("\n".join(lines) + "\n")
    return [f"{_verdict(one.met):>6}  {one.target}: {one.measured}" for one in judge(results)]


def _report(results: Results, pictures: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "# Benchmark of behaviour drift"
    yield ""
    yield "Written by `" + results.command + "` (bench/drift/); not edited by hand."
    if results.quick:
        yield ""
        yield "**QUICK: a handful of people. These figures show only that the benchmark works.**"
    yield ""
    yield from _how(results)
    yield from _section("Targets, set beforehand")
    yield from _table(
        ["target", "measured", "met"], [[one.target, one.measured, _verdict(one.met)] for one in judge(results)], left=2
    )
    for caption, file in pictures:
        yield ""
        yield f"![{caption}]({file})"
        yield ""
        yield f"*{caption}.*"
    yield from _nulls(results)
    yield from _equal_rate(results)
    yield from _defaults(results)
    yield from _ours_in_detail(results)
    yield from _parts(results)
    yield from _passing(results)
    yield from _fleet(results)
    yield from _late(results)
    yield from _households(results)
    yield from _volume(results)
    yield from _profiles(results)
    yield from _costs(results)
    yield from _cannot_see(results)


def _how(results: Results) -> Iterator[str]:
    yield from (f"- {name}: {value}" for name, value in results.machine.items())
    yield f"- commit {results.commit}, begun {results.at}, took {results.took_s / 60:.0f} min"
    if results.done_before:
        yield f"- {results.done_before:.0%} of the work had been done by an interrupted or earlier run of the same code"
    yield f"- rules: {', '.join(f'{name} {value:,.12g}' for name, value in results.rules.items())}"
    yield ""
    calibration = ", ".join(map(str, results.calibration_seeds))
    seeds = ", ".join(map(str, results.seeds))
    yield (
        f"The rivals are tuned on seeds {calibration}; every figure below is of seeds {seeds}, which no rival was"
        " tuned on. The people are simulated by code that shares nothing with the detector (bench/drift/people.py,"
        " history.py, scenarios.py): preferences are Dirichlet draws around mixtures of Zipf laws; strong lognormal"
        " factors by weekday or weekend and day or night where it says seasonal; a bucket has a few sessions of one"
        " tag and heavy-tailed length; sticky people repeat the bucket before with the probability given; some weeks"
        " are silent. A bucket is an active part of a local day (00-06, 06-12, 12-18, 18-24). JS: the true"
        " Jensen-Shannon divergence, in bits, between the long-run shares before and after."
    )
    yield ""
    yield (
        "False alarms: alarms where nothing changes, or before the change; with the exact 95 % interval of a Poisson"
        " rate. Delay: from the first active bucket of the change to the end of that which raised the alarm. Every"
        " detector begins anew at its alarm. Rivals see the same closed buckets and a baseline that knows weekday and"
        " time of day as ours does; what they test is `surprise` (-sum f log2 p), `js` (observed against expected),"
        " the share of each tag, or whether the bucket's top tag is none of the person's three (DDM and its kin)."
    )
    yield ""
    yield (
        "Tuned: a rival's threshold is bisected on the calibration seeds until it has no more false alarms than ours"
        " has over the same people, in each of "
        + ", ".join(LEAVE_OUT)
        + "; PageHinkley and ADWIN then count rises only,"
        " and ADWIN looks at each bucket: the best that could be made of them. KSWIN is slow and seen by fewer people."
    )


def _nulls(results: Results) -> Iterator[str]:
    yield from _section("False alarms where nothing changes, per user-year")
    names = [OURS, *(one.name for one in ablations()), *RIVALS]
    rows = []
    for name in names:
        rates = [false_alarms(results.people[key], name) for key in NULL_SCENARIOS]
        rows.append([name, *(_rate(rate) for rate in rates)])
    years = [f"{false_alarms(results.people[key], OURS).years:,.0f}" for key in NULL_SCENARIOS]
    yield from _table(["", *NULL_SCENARIOS], [["user-years of ours", *years], *rows])
    yield ""
    yield from (f"- {key}: {SCENARIOS[key].title}" for key in NULL_SCENARIOS)
    yield ""
    yield (
        "Then ours without one of its parts each, and the rivals, tuned. Of scenarios in the tuning, the rate of rivals"
        " tuned without that scenario:"
    )
    yield ""
    rows = [
        [name, *(_rate(false_alarms(results.people[key], name + LEFT_OUT)) for key in LEAVE_OUT)] for name in RIVALS
    ]
    yield from _table(["tuned without the scenario", *LEAVE_OUT], rows)


def _equal_rate(results: Results) -> Iterator[str]:
    yield from _section("At equal false alarms")
    abrupt = pooled(results, ABRUPT)
    nulls = pooled(results, NULLS)
    reached = {name: all(one.reached for one in results.tuned if one.rival == name and one.scenario in LEAVE_OUT)
               for name in RIVALS}  # fmt: skip
    rows = []
    for name in [OURS, *best_rivals(results), "dummy random", "dummy fixed"]:
        big, small = (found(of_size(abrupt, bits), name, window) for bits, window in _SIZES)
        rows.append(
            [
                name,
                "" if name == OURS else f"{RIVALS[name].parameter} {results.parameters[name]:.3g}"
                + ("" if reached[name] else ", NOT REACHED"),
                _rate(false_alarms(nulls, name)),
                _recall(big.recall, big.people),
                _pair(big.delay_buckets),
                _recall(small.recall, small.people),
                _pair(small.delay_buckets),
                f"{seasonal_recall(results, name):.3f}",
                *(_share(results, key, name) for key in ("S6-14d", "S6-60d", "S7", "S8-abrupt")),
                *(_trip(results, key, name) for key in SHORT_TRIPS),
                _ratio(nulls, name, big),
            ]
        )  # fmt: skip
    yield from _table(
        [
            "",
            "tuned to",
            "false alarms/year, S1 S2 S3",
            "JS > .25, within 60",
            "delay, median / p90",
            "JS .10-.25, within 200",
            "delay",
            "seasonal + abrupt",
            "14 d, within 100",
            "60 d, within 300",
            "A-B-A: B within 60",
            "sparse, within 200",
            "trip of 1 day",
            "trip of 2 days",
            "MTR",
        ],
        rows,
        left=2,
    )
    missed = [name for name, ok in reached.items() if not ok]
    yield ""
    yield "Cannot come down to our rate on every calibration scenario: " + (", ".join(missed) or "none") + "."
    yield (
        "Come down to it only by finding (almost) none of the big changes: "
        + (", ".join(silent(results)) or "none")
        + "."
    )
    yield (
        "Seasonal + abrupt: recall of S5-seasonal, JS > .25 within 60 and .10-.25 within 200 active buckets. MTR: mean"
        " active buckets between false alarms (none: as if there had been one) / median delay x recall, of JS > .25."
        " Trips: the share of people rebuilt for one; the rivals' of fewer people."
    )


_SIZES = ((BIG, BIG_WINDOW), (SMALL, SMALL_WINDOW))


def _ratio(nulls: Sequence[Outcome], name: str, big: object) -> str:
    seen = [one for one in nulls if name in one.alarms]
    buckets = sum(one.buckets for one in seen)
    alarms = false_alarms(nulls, name).alarms
    ratio = time_ratio(buckets / max(alarms, 1), big)  # type: ignore[arg-type]
    return "" if ratio is None else ("> " if alarms == 0 else "") + f"{ratio:,.0f}"


def _share(results: Results, key: str, name: str) -> str:
    one = found(results.people[key], name, SCENARIOS[key].window)
    return _recall(one.recall, one.people)


def _defaults(results: Results) -> Iterator[str]:
    yield from _section("Rivals with default parameters")
    abrupt, nulls = pooled(results, ABRUPT), pooled(results, NULLS)
    rows = []
    for name in RIVALS:
        shown = f"{name} (default)"
        big, small = (found(of_size(abrupt, bits), shown, window) for bits, window in _SIZES)
        rows.append(
            [
                name,
                _rate(false_alarms(nulls, shown)),
                _recall(big.recall, big.people),
                _pair(big.delay_buckets),
                _recall(small.recall, small.people),
            ]
        )
    yield from _table(
        ["", "false alarms/year, S1 S2 S3", "JS > .25, within 60", "delay, median / p90", "JS .10-.25, within 200"],
        rows,
    )
    yield ""
    yield "Whoever fires often finds everything: the dummies know nothing."


def _ours_in_detail(results: Results) -> Iterator[str]:
    yield from _section("Ours by size and kind of change")
    rows = []
    for key in ABRUPT:
        for low, high in STRATA:
            some = [one for one in results.people[key] if one.label == f"{low:.2f}-{high:.2f}"]
            rows.append(_found_row(f"{key}: {SCENARIOS[key].title}, JS {low:.2f}-{high:.2f}", some, SMALL_WINDOW))
    for key in ("S6-14d", "S6-60d", "S7", "S8-abrupt"):
        rows.append(_found_row(f"{key}: {SCENARIOS[key].title}", results.people[key], SCENARIOS[key].window))
    rows.append(_found_row("S7, and back to A", results.people["S7"], SCENARIOS["S7"].window, change=1))
    yield from _table(
        [
            "",
            "people",
            "false alarms/year before",
            "window",
            "recall",
            "within 60",
            "delay in buckets, median / p90",
            "in days",
            "error of the beginning, days: median",
            "p90 of |error|",
        ],
        rows,
    )


def _found_row(what: str, people: Sequence[Outcome], window: int, change: int = 0) -> list[str]:
    one, soon = found(people, OURS, window, change), found(people, OURS, 60, change)
    error = one.since_error_days
    return [
        what,
        f"{one.people:,}",
        _rate(false_alarms(people, OURS)),
        str(window),
        f"{one.recall:.3f}",
        f"{soon.recall:.3f}",
        _pair(one.delay_buckets),
        _pair(one.delay_days, 1),
        "" if error is None else f"{error[0]:+.1f}",
        "" if error is None else f"{error[1]:.1f}",
    ]


def _parts(results: Results) -> Iterator[str]:
    yield from _section("Ours without one of its parts")
    abrupt = pooled(results, ABRUPT)
    rows = []
    for name in [OURS, *(one.name for one in ablations())]:
        big, small = (found(of_size(abrupt, bits), name, window) for bits, window in _SIZES)
        rows.append(
            [
                name,
                *(_rate(false_alarms(results.people[key], name)) for key in ("S1", "S2", "S2-parts", "S3-.3", "S3-.5")),
                _recall(big.recall, big.people),
                _pair(big.delay_buckets),
                _recall(small.recall, small.people),
                *(_trip(results, key, name) for key in ("S4-flood", "S4-1d", "S4-2d", "S4-3d", "S4-7d")),
            ]
        )
    yield from _table(
        [
            "",
            *(f"false/year {key}" for key in ("S1", "S2", "S2-parts", "S3-.3", "S3-.5")),
            "JS > .25, within 60",
            "delay",
            "JS .10-.25, within 200",
            *("flood", "1 d", "2 d", "3 d", "7 d"),
        ],
        rows,
    )


def _trip(results: Results, key: str, name: str) -> str:
    return f"{found(results.people[key], name, SCENARIOS[key].window).recall:.1%}"


def _passing(results: Results) -> Iterator[str]:
    yield from _section("Passing changes: rebuilt, and what that costs")
    week = DAYS.index(7)
    rows = []
    for key in ("S4-flood", "S4-1d", "S4-2d", "S4-3d", "S4-7d"):
        people = results.people[key]
        one = found(people, OURS, SCENARIOS[key].window)
        measured = [person for person in people if person.quality]
        losses = [person.quality["decay only"][week] - person.quality["refined"][week] for person in measured]
        rebuilt = [loss for loss, person in zip(losses, measured, strict=True) if person.alarms[OURS]]
        rows.append(
            [
                f"{key}: {SCENARIOS[key].title}",
                f"{one.people:,}",
                f"{one.recall:.1%}",
                f"{fmean(losses):+.4f}" if losses else "",
                f"{fmean(rebuilt):+.3f} ({len(rebuilt)})" if rebuilt else "none",
            ]
        )
    yield from _table(["", "people", "rebuilt", "cosine lost 7 d after its end, all", "those with an alarm"], rows)
    people = [one for one in results.people["S3-.3"] if LOSS in one.quality]
    yield ""
    yield (
        f"An alarm forced at a random time on {len(people):,} steady people (S3-.3), the beginning of the change"
        " estimated 20 active buckets before; cosine lost against decay only, mean, by days after it:"
    )
    yield ""
    by_day = [fmean(one.quality[LOSS][number] for one in people) for number in range(2 * len(DAYS))]
    yield from _table(
        ["", *(f"{day} d" for day in DAYS)],
        [
            ["refined", *(f"{loss:+.3f}" for loss in by_day[: len(DAYS)])],
            ["provisional", *(f"{loss:+.3f}" for loss in by_day[len(DAYS) :])],
        ],
    )


def _fleet(results: Results) -> Iterator[str]:
    yield from _section("S9: everybody changes at once, with and without the guard")
    rows = []
    for shift in dict.fromkeys(one.shift for one in results.fleet):
        for guard in (False, True):
            some = [one for one in results.fleet if one.shift == shift and one.guard == guard]
            people, years = sum(one.people for one in some), sum(one.years for one in some)
            raised = [day for one in some for day in one.raised_days]
            alone = sum(one.alone for one in some)
            rows.append(
                [
                    shift,
                    "on" if guard else "off",
                    f"{people:,}",
                    f"{sum(one.alarmed_after_shift for one in some) / people:.1%}" if shift != "none" else "",
                    f"{sum(one.alarms_otherwise for one in some)} in {years:,.0f}",
                    f"{sum(one.alone_found for one in some) / alone:.3f} of {alone}" if alone else "",
                    ", ".join(f"{day:+.2f}" for day in raised) or "never" if guard else "",
                ]
            )
    yield from _table(
        [
            "shift",
            "guard",
            "people",
            "with an alarm in the 30 d after",
            "other false alarms in user-years",
            "changes of one person alone found within 60",
            "shift noticed, days after it",
        ],
        rows,
        left=2,
    )


def _late(results: Results) -> Iterator[str]:
    yield from _section("S10: 15 % of the events 0-12 h late, as they arrive against sorted")
    rows = []
    for key, pairs in results.late.items():
        window = SCENARIOS[key].window
        same = sum(late.sorted_alarms == late.shuffled_alarms for _, late in pairs)
        row = [
            f"{key}: {SCENARIOS[key].title}",
            f"{len(pairs):,}",
            f"{sum(late.unseen for _, late in pairs) / sum(late.events for _, late in pairs):.2%}",
            f"{same / len(pairs):.1%}",
        ]
        for kind in ("sorted_alarms", "shuffled_alarms"):
            false = sum(
                sum(not one.changes or index < one.changes[0][0] for index, _ in getattr(late, kind))
                for one, late in pairs
            )
            years = sum(one.before_years for one, _ in pairs)
            row.append(f"{false} in {years:,.0f}")
            hits = [_first_hit(one, getattr(late, kind), window) for one, late in pairs if one.changes]
            delays = [hit for hit in hits if hit]
            row.append(f"{len(delays) / len(hits):.3f}, {median(delays):.0f}" if delays else "")
        rows.append(row)
    yield from _table(
        [
            "",
            "people",
            "events the detector does not see",
            "people with the same alarms",
            "sorted: false alarms in user-years",
            "recall, median delay",
            "as they arrive: false alarms in user-years",
            "recall, median delay",
        ],
        rows,
    )


def _first_hit(one: Outcome, alarms: Sequence[tuple[int, int]], window: int) -> int:
    """Delay in active buckets; 0: the change was not found."""
    delays = (index - one.changes[0][0] + 1 for index, _ in alarms)
    return next((delay for delay in delays if 1 <= delay <= window), 0)


def _households(results: Results) -> Iterator[str]:
    yield from _section("R1: third-party household data, a year of baskets")
    shuffled, splice = results.people["R1-shuffled"], results.people["R1-splice"]
    rows = []
    for name in [OURS, BASKETS, *RIVALS]:
        one = found(splice, name, 40)
        tuned = results.basket_parameters.get(name)
        rows.append(
            [
                name,
                "" if tuned is None else f"{RIVALS[name].parameter} {tuned:.3g}",
                _rate(false_alarms(shuffled, name)),
                _recall(one.recall, one.people),
                _pair(one.delay_buckets),
                _rate(false_alarms(shuffled, name + FROM_SIMULATED)) if name in RIVALS else "",
                _recall((other := found(splice, name + FROM_SIMULATED, 40)).recall, other.people),
            ]
        )
    yield from _table(
        [
            "",
            "tuned on shuffled",
            "shuffled: alarms/year",
            "splice found within 40 baskets",
            "delay, median / p90",
            "tuned on the simulated people: shuffled",
            "splice",
        ],
        rows,
        left=2,
    )
    yield ""
    natural = results.people["R1-natural"]
    shown = ", ".join(f"{name} {_rate(false_alarms(natural, name))}" for name in (OURS, BASKETS))
    yield (
        "Ours has the same rules as everywhere; the rivals are tuned on these same households, shuffled with other"
        " seeds, and beside that have the parameters that the simulated people called for. In natural order, alarms"
        f" per user-year, of {len(natural):,} households (nobody knows which are true): {shown}."
    )


def _volume(results: Results) -> Iterator[str]:
    yield from _section("Volume: the other detector, events a day")
    rows = []
    for case in dict.fromkeys(one.case for one in results.volume):
        people = [person for one in results.volume if one.case == case for person in one.people]
        rate = false_alarms(people, VOLUME)
        if case == "steady":
            rows.append([case, f"{len(people):,}", _rate(rate), "", ""])
            continue
        one = found(people, VOLUME, WINDOW_DAYS)
        rows.append([case, f"{len(people):,}", _rate(rate), f"{one.recall:.3f}", _pair(one.delay_days)])
    rows.sort(key=lambda row: row[0] != "steady")
    yield from _table(
        ["events a day", "people", "false alarms/year", f"found within {WINDOW_DAYS} days", "delay in days"], rows
    )


def _profiles(results: Results) -> Iterator[str]:
    yield from _section("The profile after an abrupt change: cosine to the true shares")
    abrupt = [one for one in pooled(results, ABRUPT) if one.quality]
    for what, people in (("JS > .25 bit", of_size(abrupt, BIG)), ("JS .10-.25 bit", of_size(abrupt, SMALL))):
        yield f"{what}, {len(people):,} people, whether found or not; days since the change:"
        yield ""
        yield from _table(
            ["", *(f"{day} d" for day in DAYS)],
            [
                [policy, *(f"{fmean(one.quality[policy][n] for one in people):.3f}" for n in range(len(DAYS)))]
                for policy in POLICIES
            ],
        )
        yield ""
        gains = ", ".join(f"{policy} {week_gain(people, policy):+.3f}" for policy in POLICIES[1:])
        yield f"Gain over decay only after 7 days: {gains}."
        yield ""
    yield (
        "Half-life 7 days. Provisional: at the alarm, all before it x 1/8. Refined: at the alarm, what is older than"
        " the estimated beginning x 1/8. Perfect: what is older than the true change x 1/8, at once."
    )


def _costs(results: Results) -> Iterator[str]:
    yield from _section("Cost")
    yield from _table(
        ["", "CPU us per step", "bytes per user", ""],
        [
            [one.what, f"{one.us_per_step:.1f}", f"{one.bytes_per_user:,}" if one.bytes_per_user else "", one.note]
            for one in results.costs
        ],
    )
    yield ""
    yield (
        "A step is a closed bucket, never an event. Of the rivals only the test is counted, not the memories that its"
        " input is made of."
    )


def _cannot_see(results: Results) -> Iterator[str]:
    yield from _section("What the detector cannot see")
    abrupt = pooled(results, ABRUPT)
    least = STRATA[0]
    tiny = found(of_size(abrupt, (0.0, least[1])), OURS, SMALL_WINDOW)
    small = found(of_size(abrupt, SMALL), OURS, SMALL_WINDOW)
    slow = found(results.people["S6-60d"], OURS, SCENARIOS["S6-60d"].window)
    back = found(results.people["S7"], OURS, SCENARIOS["S7"].window, change=1)
    sparse = found(results.people["S8-abrupt"], OURS, SCENARIOS["S8-abrupt"].window)
    yield (
        f"- Small changes: of abrupt ones of JS {least[0]:.2f}-{least[1]:.2f} bit it finds {tiny.recall:.0%} within"
        f" {SMALL_WINDOW} active buckets, of .10-.25 {small.recall:.0%}."
    )
    if slow.delay_days and slow.since_error_days:
        yield (
            f"- When a slow change began: over 60 days it alarms after {slow.delay_days[0]:.0f} days (median), and"
            f" places the beginning {slow.since_error_days[0]:.0f} days late."
        )
    yield (
        f"- A second change soon after an alarm: after 45 days of B the return to A is found within"
        f" {SCENARIOS['S7'].window} active buckets for {back.recall:.0%}."
    )
    yield (
        f"- Anything in the first {results.rules['min_buckets']:.0f} active buckets of a person or after an alarm, nor"
        f" in the {results.rules['cooldown_ms'] / 86_400_000:.0f} days after one."
    )
    if sparse.delay_days:
        yield (
            f"- Sparse people soon: with .3 buckets a day the median delay is {sparse.delay_days[0]:.0f} days"
            f" ({sparse.delay_buckets[0]:.0f} active buckets)."  # type: ignore[index]
        )
    yield "- How much somebody does: shares say nothing of it; that is the business of the volume detector."
    twice = [
        found([person for one in results.volume if one.case == case for person in one.people], VOLUME, WINDOW_DAYS)
        for case in ("x 2", "/ 2")
    ]
    share = sum(one.found for one in twice) / max(sum(one.people for one in twice), 1)
    yield f"- Small changes of volume: of doublings and halvings that one finds {share:.0%} within {WINDOW_DAYS} days."
    week = found(results.people["S4-7d"], OURS, SCENARIOS["S4-7d"].window)
    yield f"- Whether a change will last: {week.recall:.0%} of trips of 7 days are taken for one, and rebuilt."


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join("---" if number < left else "---:" for number in range(len(header))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _rate(rate: Rate) -> str:
    if not rate.years:
        return ""
    digits = 3 if rate.upper < 10 else 1
    return f"{rate.per_year:.{digits}f} ({rate.lower:.{digits}f}-{rate.upper:.{digits}f})"


def _recall(recall: float, people: int) -> str:
    return f"{recall:.3f}" if people else ""


def _pair(values: tuple[float, float] | None, digits: int = 0) -> str:
    return "" if values is None else f"{values[0]:.{digits}f} / {values[1]:.{digits}f}"


def _verdict(met: bool | None) -> str:
    return "?" if met is None else "met" if met else "MISSED"
