"""Codes of what cleaning changed in a record that it let through; counted, never silent."""

from __future__ import annotations

from enum import StrEnum


class Correction(StrEnum):
    """What was changed; each member's text is stored and shown, so it never changes its meaning."""

    TIME_ALIGNED = "time_aligned"
    APP_NORMALISED = "app_normalised"
    CATEGORY_FILLED = "category_filled"
    CATEGORY_UNKNOWN = "category_unknown"
    DEVICE_NORMALISED = "device_normalised"
    REGION_NORMALISED = "region_normalised"
    AGE_FILLED = "age_filled"
    ACTIVATION_TIME_FILLED = "activation_time_filled"
    GENDER_FILLED = "gender_filled"
    OCCUPATION_FILLED = "occupation_filled"
    DEVICE_BRAND_FILLED = "device_brand_filled"
    DEVICE_MODEL_FILLED = "device_model_filled"
    DEVICE_OS_FILLED = "device_os_filled"
    DEVICE_PRICE_BAND_FILLED = "device_price_band_filled"
    DEVICE_LAUNCH_YEAR_FILLED = "device_launch_year_filled"
    PLAN_TIER_FILLED = "plan_tier_filled"
    REGION_FILLED = "region_filled"
    PROVINCE_FILLED = "province_filled"
    COUNTER_RESET = "counter_reset"
    COUNTER_GLITCH = "counter_glitch"
    COUNTER_LATE = "counter_late"


MEANING: dict[Correction, str] = {
    Correction.TIME_ALIGNED: "the time was in seconds or minutes since the epoch; now in milliseconds as all others",
    Correction.APP_NORMALISED: "the app or host is an alias in the app dictionary; replaced by the app's one name",
    Correction.CATEGORY_FILLED: "no category was given; taken from the app dictionary",
    Correction.CATEGORY_UNKNOWN: "no category was given and the app dictionary has none: 'unknown'",
    Correction.DEVICE_NORMALISED: "the phone's model or system was spelt otherwise than in the device dictionary",
    Correction.REGION_NORMALISED: "the region was spelt otherwise than in the region dictionary",
    Correction.AGE_FILLED: "no age was given; filled with the population's median",
    Correction.ACTIVATION_TIME_FILLED: "no activation date was given; filled with the population's median",
    Correction.GENDER_FILLED: "no gender was given; filled with the population's mode",
    Correction.OCCUPATION_FILLED: "no occupation was given; filled with the population's mode",
    Correction.DEVICE_BRAND_FILLED: "the phone's brand is not known; filled with the population's mode",
    Correction.DEVICE_MODEL_FILLED: "no phone model was given; filled with the population's mode",
    Correction.DEVICE_OS_FILLED: "the phone's system is not known; filled with the population's mode",
    Correction.DEVICE_PRICE_BAND_FILLED: "the phone's price band is not known; filled with the population's mode",
    Correction.DEVICE_LAUNCH_YEAR_FILLED: "the phone's launch year is not known; filled with the population's median",
    Correction.PLAN_TIER_FILLED: "no plan tier was given; filled with the population's mode",
    Correction.REGION_FILLED: "no home region was given; filled with the population's mode",
    Correction.PROVINCE_FILLED: "the network did not say the province; taken from the cell dictionary",
    Correction.COUNTER_RESET: "the data counter fell: the meter restarted, so the whole reading is new usage",
    Correction.COUNTER_GLITCH: "the counter is back at its level before one odd reading; usage counted from there",
    Correction.COUNTER_LATE: "a reading no newer than the last one: it says nothing new, 0 bytes used",
}
