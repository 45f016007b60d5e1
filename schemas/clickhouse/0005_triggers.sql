CREATE TABLE IF NOT EXISTS {database:Identifier}.triggers
(
    id String COMMENT 'of the trigger: hash of person, rule, version and episode',
    user String COMMENT 'pseudonym of the person',
    rule LowCardinality(String) COMMENT 'rule that fired',
    version UInt32 COMMENT 'of the rule; its document is in trigger_rules',
    scene LowCardinality(String) COMMENT 'the situation, in words',
    purpose LowCardinality(String) COMMENT 'what the person had consented to',
    priority UInt8 COMMENT '0 to 100; higher goes first where reach has to choose',
    cause LowCardinality(String) COMMENT 'pulse, enter, exit, fade, absence or count: what made the rule fire',
    episode String COMMENT 'names the situation: when it began, or the period of a rule that fires once per period',
    arose_at DateTime64(3, 'UTC') COMMENT 'event time at which the situation arose',
    decided_at DateTime64(3, 'UTC') COMMENT 'when the rule fired, by the clock of the job',
    sent_at DateTime64(3, 'UTC') COMMENT 'when it could be read in the stream, by the clock of Redis; 1970: not sent',
    shadow Bool COMMENT 'recorded and not sent',
    feed LowCardinality(String) COMMENT 'feed of the record that made it fire, empty if none did: time alone',
    log String COMMENT 'topic or file the record lies in',
    partition UInt32 COMMENT 'partition of the topic, 0 for a file',
    offset UInt64 COMMENT 'offset in the partition, or number of the record in the file from 1',
    event_id UInt64 COMMENT 'identity of the event within its person, 0 if none',
    values Map(String, String) COMMENT 'what the conditions read, as of then: name -> JSON value, exact; emptied when the person withdraws a consent',
    payload Map(String, String) COMMENT 'what the rule passed on',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written',
    decided_to_sent_ms Nullable(Int64) ALIAS if(sent_at = 0, NULL, toUnixTimestamp64Milli(sent_at) - toUnixTimestamp64Milli(decided_at))
        COMMENT 'latency of sending; NULL if not sent. Two clocks: on different machines they may differ',
    arose_to_sent_ms Nullable(Int64) ALIAS if(sent_at = 0, NULL, toUnixTimestamp64Milli(sent_at) - toUnixTimestamp64Milli(arose_at))
        COMMENT 'from the event to when its trigger could be read; NULL if not sent. Of a replay, its age',
    INDEX by_id id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toYYYYMM(arose_at)
ORDER BY (user, rule, version, episode)
COMMENT 'A receipt per trigger: what fired for whom, why, and how fast. Row key: user, rule, version, episode. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.trigger_rules
(
    rule String COMMENT 'id of the rule',
    version UInt32 COMMENT 'version of the rule',
    document String COMMENT 'the rule as written: JSON',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (rule, version)
COMMENT 'Every version of a rule that was published or took effect, so that its triggers can be explained. Read with FINAL.';
