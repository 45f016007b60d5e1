"""The rivals: river's detectors on numbers made of closed buckets, two naive rules, two dummies.

Each is one adapter: a feature, and a test that takes its values. A test is recreated at an alarm, and so are the
memories of its feature, as after a rebuild of ours. `strictness` 0 to 1 goes from the parameter that alarms most
to that which alarms least, on a logarithmic scale: tuning bisects it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import exp, log
from random import Random

import numpy as np
from river import drift
from river.drift import binary

from bench.drift import fast_kswin
from bench.drift.detector import Raised
from bench.drift.features import Features, features
from bench.drift.history import History

WARM_UP_BUCKETS = 30
"""Values from the beginning, and after an alarm, that are not tested: nothing is known of the person yet."""

Test = Callable[[float], bool]


@dataclass(frozen=True)
class Rival:
    """A detector with one parameter.

    Attributes
    ----------
    make
        A fresh test with the parameter; the second argument seeds what is random.
    make_default
        The same with the library's defaults in everything.
    loosest, strictest
        Ends of the parameter's range.
    feature
        Name of a feature; "shares": each tag's share has a test of its own.
    """

    name: str
    feature: str
    make: Callable[[float, int], Test]
    make_default: Callable[[int], Test] | None
    parameter: str
    loosest: float
    strictest: float

    def at(self, strictness: float) -> float:
        """Parameter of a strictness."""
        return exp(log(self.loosest) + strictness * (log(self.strictest) - log(self.loosest)))


@dataclass
class Adapter:
    """A rival behind the protocol of the benchmark; `parameter` None: its defaults."""

    rival: Rival
    parameter: float | None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.rival.name + (" (default)" if self.parameter is None else "")

    def fresh(self, seed: int) -> Test:
        """A test that has seen nothing."""
        if self.parameter is None:
            assert self.rival.make_default is not None
            return self.rival.make_default(seed)
        return self.rival.make(self.parameter, seed)

    def alarms(self, history: History) -> list[Raised]:
        """See `Detector`."""
        return list(self.scan(history, features(history)))

    def scan(self, history: History, whole: Features) -> Iterator[Raised]:
        """Alarms one by one, of a history whose features are known."""
        current, length = whole, len(history.buckets)
        seed = int(history.buckets[0]) * 1000 + length
        begin = 0
        while begin + WARM_UP_BUCKETS < length:
            found = self._first(current, begin - current.start + WARM_UP_BUCKETS, seed + begin)
            if found is None:
                return
            yield Raised(found)
            begin = found + 1
            if begin < length:
                current = features(history, begin, current.observed_until(found))

    def _first(self, known: Features, offset: int, seed: int) -> int | None:
        if self.rival.feature == "shares":
            return self._first_of_bank(known, offset)
        test = self.fresh(seed)
        for number, value in enumerate(known.values[self.rival.feature][offset:].tolist()):
            if test(value):
                return known.start + offset + number
        return None

    def _first_of_bank(self, known: Features, offset: int) -> int | None:
        # each tag's test is independent of the others until the first alarm, which ends them all
        shares = known.shares[offset:]
        seen = np.flatnonzero(shares.any(axis=0))
        first: int | None = None
        for tag in seen:
            test = self._one_of_bank(len(seen))
            for number, value in enumerate(shares[:first, tag].tolist()):
                if test(value):
                    first = number
                    break
        return None if first is None else known.start + offset + first

    def _one_of_bank(self, tests: int) -> Test:
        if self.parameter is None:
            return _test(drift.ADWIN(delta=_ADWIN_DELTA / tests))
        return _test(drift.ADWIN(delta=self.parameter / tests, clock=4))


_ADWIN_DELTA = 0.002


def _test(detector: drift.ADWIN | binary.DDM) -> Test:
    def step(value: float) -> bool:
        detector.update(value)
        return bool(detector.drift_detected)

    return step


def _rising_adwin(delta: float, _seed: int) -> Test:
    """ADWIN at its best: it looks at each bucket, and counts only rises, as falling surprise is no change."""
    detector = drift.ADWIN(delta=delta, clock=1)

    def step(value: float) -> bool:
        before = detector.estimation
        detector.update(value)
        return bool(detector.drift_detected) and detector.estimation > before

    return step


def _above(threshold: float) -> Test:
    return lambda value: value > threshold


def _random(probability: float, seed: int) -> Test:
    draw = Random(seed).random
    return lambda _value: draw() < probability


def _fixed(interval: float) -> Test:
    seen = 0

    def step(_value: float) -> bool:
        nonlocal seen
        seen += 1
        return seen >= interval

    return step


def _rivals() -> Iterator[Rival]:
    for feature in ("surprise", "js"):
        yield Rival(f"ADWIN {feature}", feature, _rising_adwin, lambda _: _test(drift.ADWIN()), "delta", 3.0, 1e-200)
        yield Rival(
            f"PageHinkley {feature}",
            feature,
            lambda threshold, _: _test(drift.PageHinkley(threshold=threshold, mode="up")),
            lambda _: _test(drift.PageHinkley()),
            "threshold",
            0.05,
            1e5,
        )
        yield Rival(
            f"KSWIN {feature}",
            feature,
            lambda alpha, seed: _test(fast_kswin.KSWIN(alpha=alpha, seed=seed)),
            lambda seed: _test(fast_kswin.KSWIN(seed=seed)),
            "alpha",
            0.5,
            1e-20,
        )
    yield Rival(
        "ADWIN per tag", "shares", _rising_adwin, lambda _: _test(drift.ADWIN()), "delta of all tags", 30.0, 1e-200
    )
    yield Rival(
        "DDM",
        "miss",
        lambda threshold, _: _test(binary.DDM(drift_threshold=threshold)),
        lambda _: _test(binary.DDM()),
        "drift_threshold",
        0.5,
        1e4,
    )
    yield Rival(
        "EDDM",
        "miss",
        lambda beta, _: _test(binary.EDDM(alpha=beta, beta=beta)),
        lambda _: _test(binary.EDDM()),
        "beta",
        0.999,
        1e-3,
    )
    yield Rival(
        "HDDM_A",
        "miss",
        lambda confidence, _: _test(binary.HDDMA(drift_confidence=confidence, warning_confidence=confidence)),
        lambda _: _test(binary.HDDMA()),
        "drift_confidence",
        0.5,
        1e-200,
    )
    yield Rival(
        "HDDM_W",
        "miss",
        lambda confidence, _: _test(binary.HDDMW(drift_confidence=confidence, warning_confidence=confidence)),
        lambda _: _test(binary.HDDMW()),
        "drift_confidence",
        0.5,
        1e-200,
    )
    yield Rival(
        "FHDDM",
        "hit",  # FHDDM watches the share of right answers fall
        lambda confidence, _: _test(binary.FHDDM(confidence_level=confidence)),
        lambda _: _test(binary.FHDDM()),
        "confidence_level",
        0.5,
        1e-200,
    )
    yield Rival("naive JS", "naive_js", lambda theta, _: _above(theta), lambda _: _above(0.1), "theta, bits", 0.02, 1.0)
    yield Rival("naive PSI", "naive_psi", lambda theta, _: _above(theta), lambda _: _above(0.25), "theta", 0.05, 100.0)
    yield Rival("dummy random", "miss", _random, lambda seed: _random(0.01, seed), "probability", 0.1, 1e-8)
    yield Rival("dummy fixed", "miss", lambda n, _: _fixed(n), lambda _: _fixed(100), "buckets", 10.0, 1e6)


RIVALS = {rival.name: rival for rival in _rivals()}
