-- Every tag of a range of users, each user as of their own newest event: what Redis should hold now.
--
--   clickhouse-client --queries-file profiles_at_last_event.sql --param_database livetags \
--       --param_from_user '' --param_before_user ''
--
-- database       where the tables are
-- from_user      first user of the range
-- before_user    the range ends before this user; '' for no end
--
-- The table is sorted by user, so a range reads only its own part of it and memory is bounded by the range's evidence.
-- weight, mean and std as in profile_as_of.sql, rebuilds too, at as_of_ms, with no floor; evidence_rows and value_sum
-- (undecayed, whatever was rebuilt) cover evidence too old to move a weight. superseded is 1 for a tag of a group of
-- facts that a newer one has replaced: it weighs 0, and its rows are counted all the same.
WITH
    weighed AS
    (
        SELECT
            user,
            tag,
            value,
            toUnixTimestamp64Milli(event_time) AS time_ms,
            g.half_life_ms
                + throwIf(g.half_life_ms = 0, 'table tag_groups lacks the group of a tag: publish the tag groups first')
                AS half_life_ms,
            g.kind = 'numeric' AS is_numeric,
            g.kind != 'fact' OR (time_ms, tag, value, event_id) = max((time_ms, tag, value, event_id)) OVER siblings AS is_in_force,
            max(time_ms) OVER (PARTITION BY user) AS as_of_ms,
            -- 1 before the others: the product of no numbers is 0 here
            if(g.rebuilt AND g.kind != 'fact', arrayProduct(arrayPushFront(arrayMap(
                a -> if(e.number <= tupleElement(a, 1) AND time_ms < tupleElement(a, 2), tupleElement(a, 3), 1), d.alarms), 1)), 1)
                AS rebuild_factor,
            rebuild_factor * exp2((time_ms - as_of_ms) / half_life_ms) AS factor
        FROM
        (
            SELECT user, tag, tag_group, event_time, event_id, value, number
            FROM {database:Identifier}.tag_evidence FINAL
            WHERE user >= {from_user:String} AND ({before_user:String} = '' OR user < {before_user:String})
        ) AS e
        LEFT JOIN (SELECT * FROM {database:Identifier}.tag_groups FINAL) AS g USING tag_group
        LEFT JOIN
        (
            -- (number up to which, time before which in ms, factor); all alarms, as in Redis: a rebuild by hand may be
            -- dated after the newest evidence
            SELECT
                user,
                groupArray((number,
                    if(status = 'refined', toUnixTimestamp64Milli(since), toInt64(9223372036854775807)), factor)) AS alarms
            FROM {database:Identifier}.drift_alarms FINAL
            WHERE user >= {from_user:String} AND ({before_user:String} = '' OR user < {before_user:String}) AND factor < 1
            GROUP BY user
        ) AS d USING user
        WINDOW siblings AS (PARTITION BY user, tag_group)
    ),
    centred AS
    (
        SELECT *, if(is_numeric, sum(factor * value) OVER tags / sum(factor) OVER tags, 0) AS tag_mean
        FROM weighed
        WINDOW tags AS (PARTITION BY user, tag)
    )
SELECT
    user,
    tag,
    any(as_of_ms) AS as_of_ms,
    sum(factor * if(is_numeric, 1, if(is_in_force, value, 0))) AS weight,
    if(any(is_numeric), any(tag_mean), NULL) AS mean,
    if(any(is_numeric), sqrt(sum(factor * (value - tag_mean) * (value - tag_mean)) / sum(factor)), NULL) AS std,
    max(time_ms) AS last_evidence_ms,
    count() AS evidence_rows,
    sum(value) AS value_sum,
    max(is_in_force) = 0 AS superseded
FROM centred
GROUP BY user, tag
ORDER BY user, tag
