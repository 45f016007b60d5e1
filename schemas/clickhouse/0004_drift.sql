ALTER TABLE {database:Identifier}.tag_evidence
    ADD COLUMN IF NOT EXISTS number UInt64 DEFAULT 0
        COMMENT 'of its event among those folded into the profile; a rebuild tells by it what came before its alarm';

ALTER TABLE {database:Identifier}.tag_groups
    ADD COLUMN IF NOT EXISTS rebuilt Bool DEFAULT false
        COMMENT 'whether drift of a person down-weights its earlier evidence';

CREATE TABLE IF NOT EXISTS {database:Identifier}.drift_alarms
(
    user String COMMENT 'pseudonym of the person whose behaviour changed',
    kind LowCardinality(String) COMMENT 'shares: what they turn to; volume: how much they do; by_hand: somebody asked for a rebuild',
    alarm_at DateTime64(3, 'UTC') COMMENT 'event time of the alarm: end of the part of a day that raised it',
    since DateTime64(3, 'UTC') COMMENT 'estimated time of the change',
    generation UInt64 COMMENT 'of the profile from the alarm on',
    number UInt64 COMMENT 'events folded before the alarm: evidence numbered up to this was in the profile',
    evidence Float64 COMMENT 'how sure: e-detector R, 1 or more',
    distance_bits Float64 COMMENT 'Jensen-Shannon divergence between the shares expected and those observed',
    rose Array(Tuple(tag String, before Float64, since Float64)) COMMENT 'tags whose share rose most; of a volume alarm events a day',
    fell Array(Tuple(tag String, before Float64, since Float64)) COMMENT 'tags whose share fell most',
    status LowCardinality(String) COMMENT 'noted: no rebuild; provisional: all evidence before the alarm is multiplied by factor; refined: only that of before since; timed_out: stays provisional',
    factor Float64 COMMENT 'what earlier evidence of the rebuilt groups is multiplied by',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (user, kind, alarm_at)
COMMENT 'Every change of behaviour that was noticed, why, and what became of the rebuild. Read with FINAL.';

CREATE TABLE IF NOT EXISTS {database:Identifier}.fleet_alarms
(
    run_id String COMMENT 'the run',
    shard UInt32 COMMENT 'shard in which it was noticed',
    alarm_at DateTime64(3, 'UTC') COMMENT 'event time from which on the detectors of the shard begin anew',
    suspects UInt32 COMMENT 'people who came under suspicion at once',
    buckets UInt32 COMMENT 'active parts of days among which they did',
    usual_share Float64 COMMENT 'median share of suspects before',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (run_id, shard, alarm_at)
COMMENT 'Shifts of everybody (a holiday, a new app dictionary): no rebuilds follow from them. Read with FINAL.';
