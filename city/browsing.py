"""Feed `dpi`: what people use, by their interests, intents and hours."""

from __future__ import annotations

import numpy as np

from city import marks
from city.catalogue import APPS, CATEGORIES, CHATTER, INTENTS
from city.clock import NIGHT, WEEKEND, WORKDAY, is_workday, local_midnight
from city.population import People
from city.rows import Floats, Ints, Rows
from city.spelling import Spellings
from city.tastes import NEVER

APP_SPELLINGS = Spellings([(app.name, *app.variants) for app in APPS])
"""As the column ``app`` refers to them."""
HOSTS: list[str] = ["", *(app.host for app in APPS)]
"""Of the column ``host``."""
_PHRASES = [[word + more for word in intent.words for more in intent.around] for intent in INTENTS]
KEYWORDS: list[str] = ["", *(phrase for phrases in _PHRASES for phrase in phrases), *CHATTER]
"""Of the column ``keyword``."""

_FLOWS_A_DAY = 36
_WEEKEND_MORE = 1.15
_OF_INTERESTS = 0.84
_OF_INTENT = 0.08
_SEARCHES = 0.6  # of the flows of an intent
_OWN_SITE = 0.6  # of the flows about a car brand
_CHATTER = 0.02
_STRAY_SEARCH = 0.0008  # shows an intent the person has not
_AT_NIGHT = 0.6  # of the flows of night-active people
_NO_HOST = 0.3
_VARIANT = 0.03
_NO_CATEGORY = 0.012

_phrase_count = np.array([len(phrases) for phrases in _PHRASES])
_phrase_first = np.cumsum(_phrase_count) - _phrase_count + 1
_intent_category = np.array([CATEGORIES.index(intent.category) for intent in INTENTS])
_hosts = [app.host for app in APPS]
_intent_site = np.array(
    [
        _hosts.index(f"{intent.name.removeprefix('car_')}.example") if intent.name.startswith("car_") else NEVER
        for intent in INTENTS
    ]
)
_app_category = np.array([CATEGORIES.index(app.category) for app in APPS])
_app_count = np.bincount(_app_category[: -int((_intent_site != NEVER).sum())])  # without the brands' own sites
_app_first = np.cumsum(_app_count) - _app_count
# Of e**mean bytes down a flow, by category.
_MEAN_LOG_BYTES: Floats = np.array([16.2, 14.8, 14.0, 13.0, 11.5, 12.8, 12.8, 13.2, 13.2, 12.6, 12.6, 13.0, 11.0])
_SPREAD_LOG_BYTES = 1.1
_POPULARITY: Floats = np.array([18, 8, 8, 10, 5, 1.5, 2, 1.5, 9, 16, 3, 4, 14])


def day_of(people: People, day: int, seed: int) -> Rows:
    """Records of a local day, in no order. Columns: app, category, up, down, host, keyword."""
    rng = np.random.default_rng([seed, 5, day])
    often = _FLOWS_A_DAY * people.consumption(day) * (1 if is_workday(day) else _WEEKEND_MORE)
    who = np.repeat(np.arange(people.count, dtype=np.int32), rng.poisson(often))
    n = len(who)
    category = _categories(people, day, who, rng)
    app = _app_first[category] + (rng.random(n, dtype=np.float32) ** 1.6 * _app_count[category]).astype(np.int64)
    keyword = np.zeros(n, np.int32)
    _pursue_intents(people, day, who, category, app, keyword, rng)
    odd: Ints = np.zeros(n, np.uint32)
    written, varied = APP_SPELLINGS.write(app, _VARIANT, rng)
    odd[varied] |= marks.ALIAS_APP
    named = (category + 1).astype(np.uint8)
    unnamed = rng.random(n, dtype=np.float32) < _NO_CATEGORY
    named[unnamed] = 0
    odd[unnamed] |= marks.MISSING_CATEGORY
    spread = _SPREAD_LOG_BYTES * rng.standard_normal(n, dtype=np.float32)
    down = np.exp(_MEAN_LOG_BYTES.astype(np.float32)[category] + spread)
    up = down * (0.02 + 0.1 * rng.random(n, dtype=np.float32))
    return Rows(
        who=who,
        time=local_midnight(day) + _moments(people, day, who, rng),
        marks=odd,
        app=written,
        category=named,
        up=up.astype(np.int64),
        down=down.astype(np.int64),
        host=np.where((rng.random(n, dtype=np.float32) < _NO_HOST) & (keyword == 0), 0, app + 1).astype(np.int32),
        keyword=keyword,
    )


def _categories(people: People, day: int, who: Ints, rng: np.random.Generator) -> Ints:
    """A category for each flow: one of the person's interests, or whatever is popular."""
    wanted, count = people.tastes.active(day)
    luck = rng.random(len(who), dtype=np.float32)
    background = (luck >= _OF_INTERESTS) | (count[who] == 0)
    slot = (luck.astype(np.float64) / _OF_INTERESTS * count[who]).astype(np.int64)
    slot[background] = 0
    category: Ints = wanted[who, slot]
    category[background] = _popular(int(background.sum()), rng)
    return category


def _popular(n: int, rng: np.random.Generator) -> Ints:
    share = np.cumsum(_POPULARITY) / _POPULARITY.sum()
    category: Ints = np.searchsorted(share, rng.random(n))
    return category


def _pursue_intents(
    people: People, day: int, who: Ints, category: Ints, app: Ints, keyword: Ints, rng: np.random.Generator
) -> None:
    """Turn some flows of people with an intent into searches and visits for it, and a few of everybody into chatter."""
    intent = people.tastes.intent_on(day)[who]
    luck = rng.random(len(who), dtype=np.float32)
    pursued = np.flatnonzero((intent != NEVER) & (luck < _OF_INTENT))
    stray = np.flatnonzero(luck > 1 - _STRAY_SEARCH)
    flows = np.concatenate([pursued, stray])
    what = np.concatenate([intent[pursued], rng.integers(0, len(INTENTS), len(stray))])
    category[flows] = _intent_category[what]
    general = _app_first[category[flows]] + (rng.random(len(flows)) * _app_count[category[flows]]).astype(np.int64)
    own_site = (_intent_site[what] != NEVER) & (rng.random(len(flows)) < _OWN_SITE)
    app[flows] = np.where(own_site, _intent_site[what], general)
    searched = rng.random(len(flows)) < _SEARCHES
    phrase = _phrase_first[what] + (rng.random(len(flows)) * _phrase_count[what]).astype(np.int64)
    keyword[flows] = np.where(searched, phrase, 0)
    chat = np.flatnonzero((luck > 0.5) & (luck < 0.5 + _CHATTER))
    keyword[chat] = len(KEYWORDS) - rng.integers(1, 1 + len(CHATTER), len(chat))


def _moments(people: People, day: int, who: Ints, rng: np.random.Generator) -> Ints:
    moment = (WORKDAY if is_workday(day) else WEEKEND).draw(rng, len(who))
    late = np.flatnonzero(people.night_active[who])
    late = late[rng.random(len(late)) < _AT_NIGHT]
    moment[late] = NIGHT.draw(rng, len(late))
    return moment
