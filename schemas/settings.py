"""Settings: every default and limit, once, each with its reason.

Sources, strongest first: arguments (the command's flags), environment (``LIVETAGS_<NAME>``), the YAML file named by
``LIVETAGS_SETTINGS``, the defaults here. Secrets are never part of a job graph: `public` leaves them out, and a worker
reads them from its own environment or file (`on_worker`).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from schemas.dictionaries import NO_DICTIONARIES, Dictionaries
from schemas.drift_rules import DriftRules
from schemas.nearest import did_you_mean
from schemas.pseudonym_keys import KeysError, PseudonymKeys, read_keys
from schemas.rules import GroupRule, Rules
from schemas.tag_group import MS_PER_DAY, TagGroup, half_life_ms

SETTINGS_FILE_VARIABLE = "LIVETAGS_SETTINGS"
EMBEDDED = "embedded"
KEYS_FILE = "pseudonym-keys.json"

_TOPIC_URL = re.compile(r"kafka://([^/@\s]+:\d+)/([A-Za-z0-9._-]{1,249})")

# Secrets and places of this machine: what must not travel in a job graph.
_PRIVATE = {
    "redis_url",
    "clickhouse_url",
    "kafka_properties",
    "pseudonym_keys",
    "pseudonym_keys_file",
    "api_keys_file",
    "data_dir",
    "jars_dir",
    "audience_words",
}


class Settings(BaseSettings):
    """All settings; a field's description is its reason."""

    model_config = SettingsConfigDict(env_prefix="LIVETAGS_", extra="forbid", frozen=True, hide_input_in_errors=True)

    # Where things are
    data_dir: Path = Field(
        Path(".livetags"), description="one folder for everything the embedded default writes; git ignores it"
    )
    jars_dir: Path = Field(
        Path(".livetags/jars"), description="connector jars, fetched once; shared by every data_dir of a checkout"
    )
    redis_url: SecretStr = Field(
        SecretStr(EMBEDDED),
        description="hot profiles; `embedded` is the Valkey that `livetags up` starts, else redis[s]://user:pass@host:port/db",
    )
    clickhouse_url: SecretStr = Field(
        SecretStr(EMBEDDED),
        description="history; `embedded` is the engine that `livetags up` starts, else http[s]://user:pass@host:port/database",
    )
    redis_key_prefix: str = Field("lt", description="first part of every Redis key, so that one Redis can hold several")
    clickhouse_database: str = Field("livetags", description="database the project creates its tables in")

    # Privacy
    pseudonym_keys: SecretStr = Field(
        SecretStr(""),
        description="keys of the pseudonyms as a JSON document; read on the workers, never part of a job graph",
    )
    pseudonym_keys_file: Path | None = Field(
        None,
        description="file with that document, for example a mounted secret; neither: data_dir/pseudonym-keys.json",
    )
    consent_list_version: int = Field(
        1,
        ge=1,
        description="oldest version of the consent lists whose decisions still count; raising it denies the older",
    )

    # Engine
    execution_mode: Literal["thread", "process"] = Field(
        "thread", description="thread mode was measured about 1.6 times as fast; savepoints don't move between modes"
    )
    parallelism: int = Field(
        1, ge=1, description="thread mode shares one interpreter lock per TaskManager: add TaskManagers"
    )
    shards: int = Field(
        32,
        ge=1,
        le=32_767,
        description="units of batching and rescaling, fixed for the life of a job's state; each has its own batches in "
        "every window: four per slot for low latency, tens to grow",
    )
    window_ms: int = Field(
        200, ge=1, description="micro-batch window: latency when idle; longer windows make bigger, cheaper batches"
    )
    replay_window_ms: int = Field(
        5_000,
        ge=1,
        description="the window for input that ends: nobody waits for a replay, and each user is written once a window",
    )
    replay_window_records: int = Field(
        100_000,
        ge=1,
        description="the window of a replay from files: cut by record, so that a replay is the same at any speed",
    )
    history_window_ms: int = Field(
        1_000, ge=1, description="ClickHouse wants about one insert a second, not many small ones"
    )
    history_writers: int = Field(
        1, ge=1, le=64, description="parallel writers to ClickHouse; one where feeds are linked"
    )
    checkpoint_interval_s: float = Field(
        10.0, gt=0, description="replayed after a failure at most this much; 10-30 s is usual"
    )
    checkpoint_timeout_s: float = Field(
        60.0, gt=0, description="the only watchdog for a hung worker, so not the default 600"
    )
    state_backend: Literal["rocksdb", "hashmap"] = Field(
        "rocksdb",
        description="state may outgrow memory and checkpoints are incremental; hashmap is faster while all fits",
    )
    checkpoint_dir: str = Field(
        "", description="URI of retained checkpoints and savepoints; empty: data_dir/checkpoints"
    )
    max_parallelism: int = Field(128, ge=1, le=32_768, description="key groups; fixed for the life of a job's state")
    restart_attempts: int = Field(
        10, ge=0, description="restarts before the job fails for good: a bug must not loop for ever"
    )
    restart_delay_s: float = Field(2.0, ge=0, description="pause before a restart, so that a store can come back")
    buffer_timeout_ms: int = Field(
        5,
        ge=0,
        description="network buffers leave at least this often: 5 ms cut p99 from 1,550 to 245 ms in the design's runs",
    )
    cached_profiles: int = Field(
        50_000,
        ge=0,
        description="encoded profiles kept in memory per operator instance, each saving a state read",
    )
    flink_memory_mb: int = Field(1_600, ge=700, description="memory of the local Flink's JVM")

    # Input
    max_record_bytes: int = Field(
        65_536, ge=64, description="longer records are rejected before any parser sees them (parser bombs)"
    )
    kafka_properties: dict[str, SecretStr] = Field(
        default_factory=dict, description="passed to Kafka's consumers and producer, for example security.protocol"
    )

    dictionaries_dir: Path | None = Field(
        None,
        description="CSV files of cells, districts, apps, devices, regions; files not there: the packaged ones; "
        "not set: data_dir/dictionaries, if that is there",
    )
    dictionary_updates: str = Field(
        "",
        description="URI of the folder where running jobs find new dictionaries; empty: data_dir/dictionary-updates",
    )
    rule_updates: str = Field(
        "",
        description="URI of the folder where running jobs find new trigger rules; empty: data_dir/rule-updates",
    )
    rule_topic: str = Field(
        "",
        description="kafka://host:port/topic, a compacted topic that running jobs read trigger rules from as well; "
        "empty: none",
    )
    utc_offset_hours: float = Field(
        8.0, ge=-12, le=14, description="local time of the subscribers: what night and workday mean; China has one zone"
    )

    # Profile
    half_life_days: dict[str, float] = Field(
        default_factory=dict, description='half-life per tag group where the group\'s own does not fit, e.g. {"app": 3}'
    )
    max_tags_per_group: int = Field(
        256, ge=1, description="tags kept apart per group and user; Redis keeps a hash compact up to 512 fields"
    )
    weight_floor: float = Field(1e-6, gt=0, description="a tag below this weight counts as gone")
    future_tolerance_minutes: float = Field(
        60.0, ge=0, description="a record dated later than this is a broken clock and would shift the user's whole past"
    )
    min_event_time_ms: int = Field(
        946_684_800_000, ge=0, description="2000-01-01: earlier event times are broken units or clocks"
    )
    dedup_bucket_minutes: int = Field(60, ge=1, description="ids are remembered and forgotten in buckets of event time")
    dedup_horizon_hours: int = Field(
        48,
        ge=1,
        description="repeats are recognised this far back from a user's newest event; older events are rejected",
    )
    dedup_max_ids: int = Field(4_096, ge=1, description="bounds the state of a very busy user, shortening the horizon")
    max_events_per_bucket: int = Field(
        65_536, ge=1, description="beyond this a user is a flood, and is rejected as such"
    )

    # Drift
    drift: bool = Field(True, description="notice when a person's behaviour has changed, and rebuild the profile")
    drift_alpha_per_year: float = Field(
        0.02, gt=0, le=10, description="false alarms per user and year are expected to be at most this"
    )
    drift_min_distance_bits: float = Field(
        0.10, ge=0, le=1, description="a smaller change of what a person turns to is left to decay"
    )
    drift_min_days: int = Field(3, ge=1, description="an alarm needs evidence of so many days: a trip of two is none")
    drift_min_buckets: int = Field(
        30, ge=1, description="active parts of a day before a person's habits count as known, also after a rebuild"
    )
    rebuild_halvings: int = Field(
        3, ge=0, le=60, description="a rebuild halves earlier evidence so often: an eighth stays, so an error is cheap"
    )
    rebuild_timeout_s: float = Field(
        60.0, gt=0, description="a rebuild waits so long for the history; then what was done at once stands"
    )
    rebuilds_per_s: float = Field(
        20.0, gt=0, description="persons re-read from ClickHouse per second and worker, the surest alarms first"
    )

    # Triggers
    trigger_grace_ms: int = Field(
        1_000, ge=0, description="what a rule finds by time alone (a stay, a fading) waits so long for late records"
    )

    # Sinks
    hot_retention_days: float = Field(
        30.0,
        gt=0,
        description="a hot profile's version guard must outlive any replay; also keeps replays of old logs readable",
    )
    sink_timeout_s: float = Field(10.0, gt=0, description="one network operation of a sink")
    sink_give_up_s: float = Field(
        60.0, gt=0, description="a sink retries this long, holding the stream back, then fails the job"
    )

    # Triggers
    trigger_retention_days: float = Field(
        30.0,
        gt=0,
        description="triggers stay in their stream so long, and none is sent again so long: must outlive any replay",
    )
    trigger_topic: str = Field(
        "", description="kafka://host:port/topic: triggers go there too; empty: to the Redis stream only"
    )
    trigger_topic_format: Literal["json", "protobuf"] = Field(
        "json", description="of the topic's values; the entries of the Redis stream have both"
    )

    # Readers
    read_timeout_s: float = Field(
        1.0, gt=0, description="a reader over HTTP waits so long for Redis: a thousand times what it usually takes"
    )
    history_read_timeout_s: float = Field(
        10.0, gt=0, description="and so long for ClickHouse, which recomputes a past profile from its evidence"
    )
    audit_kept_records: int = Field(
        200_000,
        ge=1,
        description="newest records of who read whose profile that stay in Redis: the trail must not fill it",
    )
    api_keys_file: Path | None = Field(
        None, description="API keys of the readers over HTTP, as hashes; not set: data_dir/api-keys.json"
    )

    # Audiences
    audience_words: Path | None = Field(
        None,
        description="YAML file of your own words for audience expressions, beside those of the project",
    )
    private_count_epsilon: float = Field(
        0.05,
        gt=0,
        le=10,
        description="privacy loss of one count that leaves the circle; the error is about 3 over it",
    )
    private_budget_epsilon: float = Field(
        1.0,
        gt=0,
        le=100,
        description="what one analyst may spend on a population in private_budget_days: 20 counts",
    )
    private_population_epsilon: float = Field(
        3.0, gt=0, le=100, description="what all analysts together may spend: they may talk to each other"
    )
    private_budget_days: float = Field(
        30.0, gt=0, le=3_660, description="the window of both budgets; it slides, so none of its length has more"
    )
    private_count_minimum: int = Field(
        100, ge=1, description="a smaller count that leaves the circle is given as fewer than this: it is mostly noise"
    )
    private_count_grain_minutes: float = Field(
        60.0, ge=1, description="its instant is rounded down to this, so that asking again soon is the same question"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file; a variable that names no setting is refused."""
        names = {f"LIVETAGS_{name}".upper() for name in settings_cls.model_fields} | {SETTINGS_FILE_VARIABLE}
        for variable in os.environ:
            if variable.upper().startswith("LIVETAGS_") and variable.upper() not in names:
                meant = did_you_mean(variable.upper(), names)
                msg = f"environment variable {variable} names no setting" + (f"; {meant}" if meant else "")
                raise ValueError(msg)
        file = os.environ.get(SETTINGS_FILE_VARIABLE)
        if not file:
            return init_settings, env_settings
        if not Path(file).is_file():
            msg = f"{SETTINGS_FILE_VARIABLE} names a file that is not there: {file}"
            raise FileNotFoundError(msg)
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=file)

    @classmethod
    def from_file(cls, file: Path, **values: Any) -> Self:
        """Settings with this YAML file in the place of the one the environment names."""
        if not file.is_file():
            msg = f"the settings file is not there: {file}"
            raise FileNotFoundError(msg)
        before = os.environ.get(SETTINGS_FILE_VARIABLE)
        os.environ[SETTINGS_FILE_VARIABLE] = str(file)
        try:
            return cls(**values)
        finally:
            if before is None:
                del os.environ[SETTINGS_FILE_VARIABLE]
            else:
                os.environ[SETTINGS_FILE_VARIABLE] = before

    @field_validator("redis_url", "clickhouse_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        schemes = ("redis://", "rediss://", "unix://") if info.field_name == "redis_url" else ("http://", "https://")
        if value.get_secret_value() != EMBEDDED and not value.get_secret_value().startswith(schemes):
            msg = f"expected {EMBEDDED} or a URL that begins with {' or '.join(schemes)}"
            raise ValueError(msg)
        return value

    @field_validator("rule_topic", "trigger_topic")
    @classmethod
    def _names_a_topic(cls, value: str) -> str:
        if value and not _TOPIC_URL.fullmatch(value):
            msg = "expected kafka://host:port[,host:port]/topic, or nothing"
            raise ValueError(msg)
        return value

    @field_validator("half_life_days")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        for days in value.values():
            half_life_ms(days)
        return value

    def rules(self, groups: dict[str, TagGroup], dictionaries: Dictionaries = NO_DICTIONARIES) -> Rules:
        """What `advance` needs of the settings, for these tag groups and dictionaries.

        Raises
        ------
        ValueError
            When `half_life_days` names a group that does not exist.
        """
        unknown = sorted(set(self.half_life_days) - set(groups))
        if unknown:
            msg = f"half_life_days names unknown tag groups {unknown}: expected some of {sorted(groups)}"
            raise ValueError(msg)
        return Rules(
            groups={
                name: GroupRule(
                    half_life_ms(self.half_life_days.get(name, group.half_life_days)),
                    group.kind == "numeric",
                    group.kind == "fact",
                    group.purpose,
                    group.stores != "history",
                    group.stores != "hot",
                    group.drift != "",
                    group.drift == "watched",
                    frozenset(group.tags) if not group.more_tags else None,
                    group.sources,
                )
                for name, group in groups.items()
            },
            max_tags_per_group=self.max_tags_per_group,
            weight_floor=self.weight_floor,
            future_tolerance_ms=round(self.future_tolerance_minutes * 60_000),
            min_event_time_ms=self.min_event_time_ms,
            dedup_bucket_ms=self.dedup_bucket_minutes * 60_000,
            dedup_buckets=-(-self.dedup_horizon_hours * 60 // self.dedup_bucket_minutes),
            dedup_max_ids=self.dedup_max_ids,
            max_events_per_bucket=self.max_events_per_bucket,
            hot_retention_ms=round(self.hot_retention_days * MS_PER_DAY),
            utc_offset_ms=round(self.utc_offset_hours * 3_600_000),
            consent_list_version=self.consent_list_version,
            dictionaries=dictionaries,
            not_in_history=frozenset(name for name, group in groups.items() if group.stores == "hot"),
            watched=frozenset(name for name, group in groups.items() if group.drift == "watched" and self.drift),
            drift=DriftRules(
                alpha_per_year=self.drift_alpha_per_year,
                min_distance_bits=self.drift_min_distance_bits,
                min_days=self.drift_min_days,
                min_buckets=self.drift_min_buckets,
                rebuild_halvings=self.rebuild_halvings,
            ),
        )

    def dictionaries_folder(self) -> Path | None:
        """Where the dictionaries are; None: only the packaged ones."""
        usual = self.data_dir / "dictionaries"
        return self.dictionaries_dir or (usual if usual.is_dir() else None)

    def rule_topic_address(self) -> tuple[str, str]:
        """Brokers and name of the topic of the rules; both empty: there is none."""
        found = _TOPIC_URL.fullmatch(self.rule_topic)
        return (found[1], found[2]) if found else ("", "")

    def keys(self) -> PseudonymKeys:
        """The keys of the pseudonyms, from the document or the file.

        Raises
        ------
        KeysError
            When there are none, or the document is not one.
        """
        document = self.pseudonym_keys.get_secret_value()
        if not document:
            file = self.pseudonym_keys_file or self.data_dir / KEYS_FILE
            try:
                document = file.read_text()
            except OSError as error:
                msg = (
                    f"no pseudonym keys: {file} can't be read ({error.strerror}); set LIVETAGS_PSEUDONYM_KEYS or "
                    "LIVETAGS_PSEUDONYM_KEYS_FILE, or make the file with `livetags keys new`"
                )
                raise KeysError(msg) from None
        return read_keys(document)

    def public(self) -> str:
        """Everything but the secrets and this machine's own folder, as JSON: what may travel in a job graph."""
        return self.model_dump_json(exclude=_PRIVATE)

    @classmethod
    def on_worker(cls, public: str) -> Self:
        """Settings on a worker: `public` as submitted, secrets from the worker's own environment or file."""
        return cls(**json.loads(public))

    def masked(self) -> dict[str, Any]:
        """Effective values for showing: passwords in URLs and Kafka properties masked."""
        values = self.model_dump(mode="json")
        for name in ("redis_url", "clickhouse_url"):
            values[name] = masked_url(getattr(self, name).get_secret_value())
        values["kafka_properties"] = dict.fromkeys(self.kafka_properties, "***")
        values["pseudonym_keys"] = "***" if self.pseudonym_keys.get_secret_value() else ""
        return values


def masked_url(url: str) -> str:
    """The URL without its user, password and query; whatever is before the last @ goes, however it is written."""
    scheme, separator, rest = url.partition("://")
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    if "?" in rest:
        rest = rest.partition("?")[0] + "?***"
    return scheme + separator + rest
