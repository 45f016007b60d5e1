CREATE TABLE IF NOT EXISTS {database:Identifier}.identity_links
(
    identifier String COMMENT 'pseudonym of an IMSI, MSISDN or account',
    person String COMMENT 'pseudonym of the person it belongs to from valid_from on',
    valid_from DateTime64(3, 'UTC') COMMENT 'event time of the link',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (identifier, valid_from, person)
COMMENT 'Whose an identifier is, and was. Read with FINAL.';
