-- What one user turned to, day by day: pieces of evidence per local day and tag, of the groups drift is noticed by.
--
--   clickhouse-client --queries-file daily_shares.sql --param_database livetags --param_user p.AbCd \
--       --param_groups "['content']" --param_utc_offset_ms 28800000
--
-- database, user   whose days
-- groups           tag groups to count: those declared as watched, content and quantity
-- utc_offset_ms    local time minus UTC, milliseconds (setting utc_offset_hours)
--
-- Each piece of evidence of positive value counts once, as for the detector: a day of one long video and a day of one
-- short one are alike. A share is a tag's events by those of the day. Days without events have no rows.
SELECT
    toDate(intDiv(toUnixTimestamp64Milli(event_time) + {utc_offset_ms:Int64}, 86400000)) AS day,
    tag,
    count() AS events
FROM {database:Identifier}.tag_evidence FINAL
WHERE user = {user:String} AND tag_group IN {groups:Array(String)} AND value > 0
GROUP BY day, tag
ORDER BY day, events DESC, tag
