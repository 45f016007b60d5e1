-- How one tag of one user came to weigh what it weighs: a row after every piece of evidence, oldest first.
--
--   clickhouse-client --queries-file timeline.sql --param_database livetags --param_user 900 \
--       --param_tag 'spend:SOFT DRINKS' --param_limit 100
--
-- database, user, tag   which tag; a tag is written group:name, the same as in Redis
-- limit                 only the newest so many pieces of evidence; the weights count the older ones all the same
--
-- weight = sum over evidence up to this row of v * 2^(-(now - t) / half-life), now being this row's time. For a numeric
-- group v is 1 in that sum, and mean is the mean of the values under the same weights (NULL for other groups). A fact
-- weighs what its newest evidence says, or 0 when a tag of the same group with a later name has evidence at that instant.
--
-- How, without overflow: a running sum must be measured forward from one landmark, and 2^((t - landmark) / half-life)
-- leaves the range of a double after 1,023 half-lives (255 days at 6 hours). So time is cut into blocks of 512
-- half-lives, each its own landmark. What the block before still weighs is carried over; what lies further back has
-- decayed by at least 2^-512, which no sum of doubles would show.
--
-- Rebuilds as in profile_as_of.sql: a row knows of the alarms up to its own time, so an older row keeps what it weighed
-- then. How: an alarm changes what all evidence before it counts, so there is a running sum for each number of alarms
-- that have passed (0, 1, 2 ...), and a row takes the one of its time.
WITH
    (
        SELECT
            tuple(
                toFloat64(any(half_life_ms))
                    + throwIf(count() = 0, 'table tag_groups lacks the group of this tag: publish the tag groups first'),
                any(kind) = 'numeric',
                any(kind) = 'fact',
                any(rebuilt) AND any(kind) != 'fact')
        FROM {database:Identifier}.tag_groups FINAL
        WHERE tag_group = splitByChar(':', {tag:String})[1]
    ) AS declared,
    tupleElement(declared, 1) AS half_life_ms,
    tupleElement(declared, 2) AS is_numeric,
    tupleElement(declared, 3) AS is_fact,
    tupleElement(declared, 4) AS is_rebuilt,
    (
        SELECT arraySort(groupArray((toUnixTimestamp64Milli(alarm_at), number,
            if(status = 'refined', toUnixTimestamp64Milli(since), toInt64(9223372036854775807)), factor)))
        FROM {database:Identifier}.drift_alarms FINAL
        WHERE is_rebuilt AND user = {user:String} AND factor < 1
    ) AS alarms, -- (alarm, number up to which, time before which, factor), times in ms, oldest first
    placed AS
    (
        SELECT
            event_time,
            event_id,
            value,
            feed,
            toUnixTimestamp64Milli(event_time) AS time_ms,
            toInt64(512 * half_life_ms) AS block_ms,
            intDiv(time_ms, block_ms) AS block,
            exp2((time_ms - block * block_ms) / half_life_ms) AS scale,
            arrayMap(
                a -> if(number <= tupleElement(a, 2) AND time_ms < tupleElement(a, 3), tupleElement(a, 4), 1), alarms)
                AS factors,
            -- what this evidence counts once so many alarms have passed; the product of no numbers is 0 here
            arrayMap(
                passed -> scale * arrayProduct(arrayPushFront(arraySlice(factors, 1, passed), 1)),
                range(length(alarms) + 1)) AS scales,
            arrayMap(s -> s * if(is_numeric, 1, value), scales) AS scaled,
            arrayMap(s -> s * value, scales) AS scaled_value,
            1 + arrayCount(a -> tupleElement(a, 1) <= time_ms, alarms) AS phase,
            event_time IN
            (
                SELECT event_time
                FROM {database:Identifier}.tag_evidence FINAL
                WHERE is_fact AND user = {user:String} AND tag > {tag:String}
                    AND tag_group = splitByChar(':', {tag:String})[1]
            ) AS outranked
        FROM {database:Identifier}.tag_evidence FINAL
        WHERE user = {user:String} AND tag = {tag:String}
    ),
    summed AS
    (
        SELECT
            *,
            -- within this block up to this row, and all of the block before
            (sumForEach(scaled) OVER within)[phase] + exp2(-512) * ifNull((sumForEach(scaled) OVER before)[phase], 0) AS scaled_sum,
            (sumForEach(scaled_value) OVER within)[phase] + exp2(-512) * ifNull((sumForEach(scaled_value) OVER before)[phase], 0)
                AS scaled_value_sum
        FROM placed
        WINDOW
            within AS (PARTITION BY block ORDER BY event_time, event_id ROWS UNBOUNDED PRECEDING),
            before AS (ORDER BY block RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING)
    )
SELECT *
FROM
(
    SELECT
        time_ms AS event_time_ms,
        event_id,
        feed,
        value,
        multiIf(NOT is_fact, scaled_sum / scale, outranked, 0, value) AS weight,
        if(is_numeric AND scaled_sum > 0, scaled_value_sum / scaled_sum, NULL) AS mean
    FROM summed
    ORDER BY event_time_ms DESC, event_id DESC
    LIMIT {limit:UInt64}
)
ORDER BY event_time_ms, event_id
