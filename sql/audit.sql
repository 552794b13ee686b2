-- Queries of the audit. Tables of a generation are named without their schema: the search path says which generation
-- is meant.

-- name: discard_plans
DISCARD PLANS

-- name: live_schema
-- The row of the live projection's schema, of which every rename writes a new version.
SELECT
    oid,
    xmin::text AS version
FROM pg_namespace
WHERE nspname = 'projection'

-- name: payloads_with_rejected_bars
-- Payloads of which a row of a session was rejected, whatever they were asked for; rows of splits and dividends have
-- dates too, and are not meant. $1 session, $2 ticker or NULL for all
SELECT DISTINCT rejection.archive_seq
FROM rejection
JOIN archive.payload
    ON payload.archive_seq = rejection.archive_seq
WHERE rejection.session = $1
    AND ($2::text IS NULL OR rejection.ticker = $2 COLLATE "C")
    AND payload.endpoint IN ('range', 'grouped')

-- name: rejections_of_payloads
-- $1 archive_seqs
SELECT
    archive_seq,
    row_index,
    ticker,
    session,
    reasons,
    row_text
FROM rejection
WHERE archive_seq = ANY($1::bigint[])
ORDER BY
    archive_seq,
    row_index

-- name: bars_in_session
-- $1 session, $2 ticker or NULL for all
SELECT
    ticker,
    session,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades,
    gap,
    volume_ratio,
    failed_rules,
    quality_score,
    validated,
    archive_seq,
    known_from
FROM bar
WHERE session = $1
    AND ($2::text IS NULL OR ticker = $2 COLLATE "C")

-- name: bars_up_to
-- For each ticker its bar of a session and those before it that a verdict may look back at.
-- $1 tickers, $2 session, $3 how many bars at most
SELECT
    found.ticker,
    found.session,
    found.open,
    found.high,
    found.low,
    found.close,
    found.volume,
    found.vwap,
    found.trades,
    found.gap,
    found.volume_ratio,
    found.failed_rules,
    found.quality_score,
    found.validated,
    found.archive_seq,
    found.known_from
FROM unnest($1::text[]) AS asked (ticker)
CROSS JOIN LATERAL (
    SELECT bar.*
    FROM bar
    WHERE bar.ticker = asked.ticker COLLATE "C"
        AND bar.session <= $2
    ORDER BY bar.session DESC
    LIMIT $3
) AS found

-- name: revisions_in_session
-- $1 session, $2 ticker or NULL for all
SELECT
    ticker,
    session,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades,
    archive_seq,
    known_from,
    known_to,
    superseded_by
FROM bar_revision
WHERE session = $1
    AND ($2::text IS NULL OR ticker = $2 COLLATE "C")

-- name: missing_in_session
-- Tickers that have no bar in a session, but bars before and after it, or their last one in the session before it.
-- $1 session, $2 session before, $3 ticker or NULL for all
SELECT
    status.ticker,
    status.last_session
FROM symbol_status AS status
WHERE status.first_session < $1
    AND (status.last_session > $1 OR status.last_session = $2)
    AND ($3::text IS NULL OR status.ticker = $3 COLLATE "C")
    AND NOT EXISTS (
        SELECT
        FROM bar
        WHERE bar.ticker = status.ticker
            AND bar.session = $1
    )
ORDER BY status.ticker

-- name: overrides_in_session
-- Every version, those revoked too. $1 session, $2 ticker or NULL for all
SELECT
    ticker,
    session,
    verdict,
    because,
    decided_by,
    decided_at,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM override
WHERE session = $1
    AND ($2::text IS NULL OR ticker = $2 COLLATE "C")
ORDER BY archive_seq

-- name: factors_of_session
-- What is believed of a ticker's splits and dividends whose ex-date is a session, or which are applied on it.
-- $1 ticker, $2 session
SELECT
    ticker,
    kind,
    vendor_id,
    archive_seq,
    ex_date,
    applied_on,
    split_from,
    split_to,
    cash,
    price_factor,
    volume_factor,
    move,
    vendor_factor,
    flags,
    known_from,
    known_to
FROM factor
WHERE ticker = $1 COLLATE "C"
    AND (ex_date = $2 OR applied_on = $2)
    AND known_to IS NULL
ORDER BY
    ex_date,
    kind,
    vendor_id
