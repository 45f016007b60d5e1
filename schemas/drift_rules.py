"""Parameters of noticing behaviour drift: what the detectors need to know besides the state and the bucket."""

from __future__ import annotations

from msgspec import Struct

MS_PER_YEAR = 365.25 * 86_400_000


class DriftRules(Struct, frozen=True):
    """Resolved from the settings once per operator; the defaults are measured (docs/drift-benchmark.md).

    Attributes
    ----------
    alpha_per_year
        Expected false alarms per user and year are at most this, for each of the two detectors.
    short_half_life_buckets, long_half_life_buckets
        Memory of what is observed now, and of the baseline, in active buckets.
    persistence
        Share of a bucket that resembles the one before (people binge), as it is usual; learnt per person from there.
    envelope_error, envelope_relative, envelope_population
        How far the expected share may be off without drift: in standard errors of its estimate, relatively, and by
        mixing in the population.
    min_distance_bits
        Jensen-Shannon divergence between observed and expected shares below which nothing is called drift.
    min_days
        Distinct local days with evidence that an alarm needs: a burst or a day trip is none.
    min_buckets
        Closed buckets since the beginning or the last rebuild before testing begins.
    cooldown_ms
        Time after an alarm before the next, beside `min_buckets`.
    max_alarms_per_30_days
        Further ones are held back.
    max_tags
        Tags told apart per person; the others are one class.
    rebuild_halvings
        A rebuild multiplies earlier evidence by ``2**-rebuild_halvings``.
    """

    alpha_per_year: float = 0.02
    short_half_life_buckets: float = 8.0
    long_half_life_buckets: float = 256.0
    persistence: float = 0.2
    envelope_error: float = 0.02
    envelope_relative: float = 0.01
    envelope_population: float = 0.005
    min_distance_bits: float = 0.10
    min_days: int = 3
    min_buckets: int = 30
    cooldown_ms: int = 7 * 86_400_000
    max_alarms_per_30_days: int = 2
    max_tags: int = 31
    rebuild_halvings: int = 3
