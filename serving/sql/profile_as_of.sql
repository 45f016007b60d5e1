-- One user's tags as they stood at an instant: what Redis held then, computed from the history.
--
--   clickhouse-client --queries-file profile_as_of.sql --param_database livetags --param_user 900 \
--       --param_at_ms 1514764800000 --param_weight_floor 1e-6
--
-- database, user   which profile
-- at_ms            the instant, milliseconds since the epoch, UTC; evidence later than it does not count
-- weight_floor     tags lighter than this are left out, as in Redis (setting weight_floor)
--
-- weight = sum of v * 2^(-(at - t) / half-life); for a numeric group v is 1 in that sum, and mean and std are those of
-- the values under the same weights (NULL for other groups). Of a group of facts only the newest evidence counts (of two
-- tags at the same instant the later name), so it has at most one tag. Ages are never negative, so nothing can overflow.
-- The deviation is taken in a second pass from the mean: a difference of sums of squares would cancel.
--
-- Rebuilds: a change of a person's behaviour (drift_alarms) down-weights earlier evidence of the groups that are rebuilt
-- (tag_groups.rebuilt; never facts). From alarm_at on, evidence with a number up to the alarm's is multiplied by the
-- alarm's factor; once the alarm is refined, only that from before since. Of several alarms the factors multiply.
WITH
    (
        SELECT groupArray((number, if(status = 'refined', toUnixTimestamp64Milli(since), toInt64(9223372036854775807)), factor))
        FROM {database:Identifier}.drift_alarms FINAL
        WHERE user = {user:String} AND factor < 1 AND alarm_at <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')
    ) AS alarms, -- (number up to which, time before which in ms, factor)
    weighed AS
    (
        SELECT
            tag,
            value,
            toUnixTimestamp64Milli(event_time) AS time_ms,
            g.half_life_ms
                + throwIf(g.half_life_ms = 0, 'table tag_groups lacks the group of a tag: publish the tag groups first')
                AS half_life_ms,
            g.kind = 'numeric' AS is_numeric,
            g.kind != 'fact' OR (time_ms, tag, value, event_id) = max((time_ms, tag, value, event_id)) OVER siblings AS is_in_force,
            -- 1 before the others: the product of no numbers is 0 here
            if(g.rebuilt AND g.kind != 'fact', arrayProduct(arrayPushFront(arrayMap(
                a -> if(e.number <= tupleElement(a, 1) AND time_ms < tupleElement(a, 2), tupleElement(a, 3), 1), alarms), 1)), 1)
                AS rebuild_factor,
            rebuild_factor * exp2((time_ms - {at_ms:Int64}) / half_life_ms) AS factor,
            if(is_numeric, sum(factor * value) OVER tags / sum(factor) OVER tags, 0) AS tag_mean
        FROM
        (
            SELECT tag, tag_group, event_time, event_id, value, number
            FROM {database:Identifier}.tag_evidence FINAL
            WHERE user = {user:String} AND event_time <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')
        ) AS e
        LEFT JOIN (SELECT * FROM {database:Identifier}.tag_groups FINAL) AS g USING tag_group
        WINDOW
            tags AS (PARTITION BY tag),
            siblings AS (PARTITION BY tag_group)
    )
SELECT
    tag,
    sum(factor * if(is_numeric, 1, value)) AS weight,
    if(any(is_numeric), any(tag_mean), NULL) AS mean,
    if(any(is_numeric), sqrt(sum(factor * (value - tag_mean) * (value - tag_mean)) / sum(factor)), NULL) AS std,
    max(time_ms) AS last_evidence_ms,
    any(half_life_ms) AS half_life_ms
FROM weighed
WHERE is_in_force
GROUP BY tag
HAVING abs(weight) >= {weight_floor:Float64}
ORDER BY tag
