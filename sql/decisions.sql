-- Queries of persons' decisions: those in the archive, and what they do to bars. Tables of a generation are named
-- without their schema: the search path says which generation is meant.

-- name: skip_decisions
-- Decisions to skip a payload, in commit order; they have no dates. $1 what their request begins with
SELECT
    archive_seq,
    fetched_at,
    source,
    endpoint,
    request,
    ticker,
    from_date,
    to_date,
    http_status,
    headers,
    transfer,
    body,
    body_bytes,
    body_sha256,
    run_id
FROM archive.payload
WHERE source = 'operator'
    AND endpoint = 'decision'
    AND from_date IS NULL
    AND starts_with(request, $1)
ORDER BY archive_seq

-- name: bar_verdict
-- What is believed of one bar, by whom. $1 ticker, $2 session
SELECT
    bar.validated,
    bar.quality_score,
    array(
        SELECT rule.name
        FROM rule
        WHERE bar.failed_rules >> rule.bit & 1 = 1
        ORDER BY rule.bit
    ) AS failed_rules,
    override.verdict AS override,
    override.because,
    override.decided_by,
    override.archive_seq AS decision
FROM bar
LEFT JOIN override
    ON override.ticker = bar.ticker
    AND override.session = bar.session
    AND override.known_to IS NULL
WHERE bar.ticker = $1
    AND bar.session = $2

-- name: overrides_listed
-- Versions of overrides, each with its bar as it is now where there is one.
-- $1 ticker or NULL for all, $2 whether those that were ended are wanted
SELECT
    override.ticker,
    override.session,
    override.verdict,
    override.because,
    override.decided_by,
    override.decided_at,
    override.archive_seq,
    override.known_to AS ended_at,
    override.ended_by,
    bar.validated,
    bar.quality_score,
    bar.archive_seq > override.archive_seq AS restated_since
FROM override
LEFT JOIN bar
    ON bar.ticker = override.ticker
    AND bar.session = override.session
WHERE ($1::text IS NULL OR override.ticker = $1)
    AND ($2 OR override.known_to IS NULL)
ORDER BY
    override.ticker,
    override.session,
    override.archive_seq
