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
WITH
    (
        SELECT
            tuple(
                toFloat64(any(half_life_ms))
                    + throwIf(count() = 0, 'table tag_groups lacks the group of this tag: publish the tag groups first'),
                any(kind) = 'numeric',
                any(kind) = 'fact')
        FROM {database:Identifier}.tag_groups FINAL
        WHERE tag_group = splitByChar(':', {tag:String})[1]
    ) AS declared,
    tupleElement(declared, 1) AS half_life_ms,
    tupleElement(declared, 2) AS is_numeric,
    tupleElement(declared, 3) AS is_fact,
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
            scale * if(is_numeric, 1, value) AS scaled,
            scale * value AS scaled_value,
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
            sum(scaled) OVER within + exp2(-512) * ifNull(sum(scaled) OVER before, 0) AS scaled_sum,
            sum(scaled_value) OVER within + exp2(-512) * ifNull(sum(scaled_value) OVER before, 0) AS scaled_value_sum
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
