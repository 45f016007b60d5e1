CREATE TABLE IF NOT EXISTS {database:Identifier}.tag_evidence
(
    user String COMMENT 'subscriber',
    tag LowCardinality(String) COMMENT 'group:tag, the same name as in Redis',
    event_time DateTime64(3, 'UTC') COMMENT 'when the event happened',
    event_id UInt64 COMMENT 'identity of the event within its user',
    value Float64 COMMENT 'undecayed value of the evidence, in the unit of the tag group',
    feed LowCardinality(String) COMMENT 'feed the event came from',
    tag_group LowCardinality(String) MATERIALIZED splitByChar(':', tag)[1] COMMENT 'part of tag before the colon',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (user, tag, event_time, event_id)
COMMENT 'History of every tag: one row per piece of evidence. Row key: user, tag, event_time, event_id. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.tag_groups
(
    tag_group LowCardinality(String) COMMENT 'group name',
    kind Enum8('weight' = 1, 'numeric' = 2) COMMENT 'weight: decayed sum; numeric: decayed mean and deviation too',
    half_life_ms UInt64 COMMENT 'evidence counts half after this many milliseconds',
    unit String COMMENT 'unit of value',
    meaning String COMMENT 'what the group says',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the declaration was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY tag_group
COMMENT 'Catalogue of tag groups with the half-lives in force. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.dead_letters
(
    feed LowCardinality(String) COMMENT 'feed of the record',
    log String COMMENT 'topic or file the record lies in',
    partition UInt32 COMMENT 'partition of the topic, 0 for a file',
    offset UInt64 COMMENT 'offset in the partition, or number of the record in the file from 1',
    reason LowCardinality(String) COMMENT 'reason code',
    rejected_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when it was rejected'
)
ENGINE = ReplacingMergeTree(rejected_at)
ORDER BY (feed, log, partition, offset)
COMMENT 'Records that could not be used: where they are and why. No content. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.run_counts
(
    run_id String COMMENT 'the run',
    shard UInt32 COMMENT 'shard the totals are of',
    events_in UInt64 COMMENT 'records read',
    folded UInt64 COMMENT 'events that changed a profile',
    duplicates UInt64 COMMENT 'repeats absorbed',
    rejected Map(String, UInt64) COMMENT 'feed/reason -> records rejected',
    users UInt64 COMMENT 'profiles in the state',
    state_bytes UInt64 COMMENT 'bytes of their encoded state',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the totals were written'
)
ENGINE = ReplacingMergeTree(events_in)
ORDER BY (run_id, shard)
COMMENT 'Running totals of a run per shard: events_in = folded + duplicates + rejected. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.runs
(
    run_id String COMMENT 'the run',
    job LowCardinality(String) COMMENT 'name of the job',
    inputs String COMMENT 'JSON list of {feed, input} read',
    status LowCardinality(String) COMMENT 'running, finished, stopped, failed, or empty: no record was usable',
    started_at DateTime64(3, 'UTC') COMMENT 'when it was submitted',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when this row was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY run_id
COMMENT 'Runs of the jobs: the logs whose events the stores hold. Read with FINAL.';
