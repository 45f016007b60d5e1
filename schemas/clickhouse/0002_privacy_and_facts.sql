ALTER TABLE {database:Identifier}.tag_groups
    MODIFY COLUMN kind Enum8('weight' = 1, 'numeric' = 2, 'fact' = 3)
        COMMENT 'weight: decayed sum; numeric: decayed mean and deviation too; fact: only the tag with the newest evidence counts',
    ADD COLUMN IF NOT EXISTS family LowCardinality(String) COMMENT 'family the group belongs to',
    ADD COLUMN IF NOT EXISTS purpose LowCardinality(String) COMMENT 'purpose a person must have consented to',
    ADD COLUMN IF NOT EXISTS sensitivity LowCardinality(String) COMMENT 'low, personal or sensitive',
    ADD COLUMN IF NOT EXISTS version UInt32 COMMENT 'raised when the meaning of the values changes',
    ADD COLUMN IF NOT EXISTS sources Array(String) COMMENT 'feeds the evidence comes from',
    ADD COLUMN IF NOT EXISTS stores LowCardinality(String) COMMENT 'where the group is kept: both, hot or history';

ALTER TABLE {database:Identifier}.dead_letters
    ADD COLUMN IF NOT EXISTS user String DEFAULT '' COMMENT 'pseudonym of whom the record is about, empty when nobody can tell';

ALTER TABLE {database:Identifier}.run_counts
    ADD COLUMN IF NOT EXISTS corrected Map(String, UInt64) COMMENT 'feed/correction -> records corrected';

CREATE TABLE IF NOT EXISTS {database:Identifier}.erasures
(
    user String COMMENT 'pseudonym of the person who was erased',
    erased_at DateTime64(3, 'UTC') COMMENT 'event time up to which everything was erased',
    request String COMMENT 'request it was done for, empty when only the log says so',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written',
    rank UInt64 MATERIALIZED toUInt64(greatest(toUnixTimestamp64Milli(erased_at), 0)) * 2 + notEmpty(request)
        COMMENT 'of several rows of a user the highest stays: the newest erasure, rather with its request than without'
)
ENGINE = ReplacingMergeTree(rank)
ORDER BY user
COMMENT 'Persons whose data was erased, so that it does not come back. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.exports
(
    request String COMMENT 'request for a copy of personal data',
    user String COMMENT 'pseudonym the part is about',
    part LowCardinality(String) COMMENT 'which part of the copy',
    document String COMMENT 'JSON',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the part was written'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (request, user, part)
COMMENT 'Copies of personal data made on request. Read with FINAL.';
