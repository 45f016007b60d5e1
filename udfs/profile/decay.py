"""Forward decay with an exact landmark shift.

Weight of evidence of value v and time t, read at time T, with half-life h: ``v * 2**(-(T - t) / h)``. Kept as a plain
sum ``c = sum v * 2**((t - L) / h)`` measured forward from a landmark ``L = N * h``, so the order of arrival does not
matter, a late event only adds a factor below one, and two partial states merge by adding.

Moving the landmark from N to n scales every cell by ``2**(N - n)``: a power of two, exact in binary floating point.
Weights never overflow (a cell stays of the order of its true weight) and a long idle underflows cleanly to zero.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009. The shift by whole half-lives and the closed
form of expiry are derived in docs/decisions/0003-forward-decay.md.
"""

from __future__ import annotations

from math import exp2, inf, ldexp, log2

# Beyond this many half-lives a double is zero whatever it was; ldexp's exponent must fit a C int.
_GONE_HALF_LIVES = 2_200


def scale_at(event_time_ms: int, half_life_ms: int, landmark: int) -> float:
    """Factor 2**(t/h - N) of evidence at `event_time_ms`; integer arithmetic keeps it exact but for one rounding.

    The landmark must not lie before the event by more than one half-life: shift first, then scale. Evidence too old to
    count underflows to zero.
    """
    whole, rest_ms = divmod(event_time_ms, half_life_ms)
    return exp2(whole - landmark + rest_ms / half_life_ms)


def landmark_of(event_time_ms: int, half_life_ms: int) -> int:
    """Index N of the newest landmark not after `event_time_ms`."""
    return event_time_ms // half_life_ms


def shift(value: float, half_lives: int) -> float:
    """A scaled value after its landmark moved `half_lives` (>= 0) later; exact."""
    return ldexp(value, -min(half_lives, _GONE_HALF_LIVES))


def weight_at(scaled: float, time_ms: int, half_life_ms: int, landmark: int) -> float:
    """Decayed weight at `time_ms` of a scaled sum: ``c * 2**(-(T/h - N))``.

    Raises
    ------
    OverflowError
        For a time some thousand half-lives before the landmark: before there was any evidence.
    """
    whole, rest_ms = divmod(time_ms, half_life_ms)
    half_lives = min(max(whole - landmark, -_GONE_HALF_LIVES), _GONE_HALF_LIVES)
    return ldexp(scaled * exp2(-rest_ms / half_life_ms), -half_lives)


def decayed(weight: float, elapsed_ms: int, half_life_ms: int) -> float:
    """A weight known at one instant, `elapsed_ms` later: ``w * 2**(-elapsed/h)``. What readers apply."""
    whole, rest_ms = divmod(elapsed_ms, half_life_ms)
    return ldexp(weight * exp2(-rest_ms / half_life_ms), -min(max(whole, -_GONE_HALF_LIVES), _GONE_HALF_LIVES))


def expires_at_ms(scaled: float, half_life_ms: int, landmark: int, floor: float) -> float:
    """When the weight of a scaled sum reaches `floor`: ``T = h * (N + log2(c / floor))``.

    Minus infinity for a weight that is zero or negative: it never was above the floor.
    """
    if scaled <= 0.0:
        return -inf
    return half_life_ms * (landmark + log2(scaled) - log2(floor))
