-- Queries that read a whole generation, a part at a time. Tables are named without their schema: the search path says
-- which generation is meant.
--
-- Columns come as their values' binary form, end to end, with NaN for NULL: one row for each ticker. Decoding values one
-- by one takes longer than everything else.

-- name: rows_by_ticker
-- The tickers that have bars or revisions, in byte order, and how many of both.
SELECT
    ticker,
    sum(rows)::bigint AS rows
FROM (
    SELECT
        ticker,
        count(*) AS rows
    FROM bar
    GROUP BY ticker
    UNION ALL
    SELECT
        ticker,
        count(*) AS rows
    FROM bar_revision
    GROUP BY ticker
) AS counted
GROUP BY ticker
ORDER BY ticker

-- name: bar_columns_of
-- $1 tickers
SELECT
    ticker,
    string_agg(date_send(session), '') AS session,
    string_agg(float8send(open), '') AS open,
    string_agg(float8send(high), '') AS high,
    string_agg(float8send(low), '') AS low,
    string_agg(float8send(close), '') AS close,
    string_agg(float8send(volume), '') AS volume,
    string_agg(float8send(coalesce(vwap, 'NaN')), '') AS vwap,
    string_agg(float8send(coalesce(trades, 'NaN')), '') AS trades,
    string_agg(float8send(coalesce(gap, 'NaN')), '') AS gap,
    string_agg(float8send(coalesce(volume_ratio, 'NaN')), '') AS volume_ratio,
    string_agg(int8send(failed_rules), '') AS failed_rules,
    string_agg(float8send(quality_score), '') AS quality_score,
    string_agg(boolsend(validated), '') AS validated,
    string_agg(int8send(archive_seq), '') AS archive_seq,
    string_agg(timestamptz_send(known_from), '') AS known_from
FROM (
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
    WHERE ticker = ANY($1::text[])
    ORDER BY
        ticker,
        session
) AS ordered
GROUP BY ticker
ORDER BY ticker

-- name: revision_columns_of
-- $1 tickers
SELECT
    ticker,
    string_agg(date_send(session), '') AS session,
    string_agg(float8send(open), '') AS open,
    string_agg(float8send(high), '') AS high,
    string_agg(float8send(low), '') AS low,
    string_agg(float8send(close), '') AS close,
    string_agg(float8send(volume), '') AS volume,
    string_agg(float8send(coalesce(vwap, 'NaN')), '') AS vwap,
    string_agg(float8send(coalesce(trades, 'NaN')), '') AS trades,
    string_agg(int8send(archive_seq), '') AS archive_seq,
    string_agg(timestamptz_send(known_from), '') AS known_from,
    string_agg(timestamptz_send(known_to), '') AS known_to,
    string_agg(int8send(superseded_by), '') AS superseded_by
FROM (
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
    WHERE ticker = ANY($1::text[])
    ORDER BY
        ticker,
        session,
        archive_seq
) AS ordered
GROUP BY ticker
ORDER BY ticker

-- name: every_rejection
SELECT
    archive_seq,
    row_index,
    ticker,
    session,
    reasons,
    row_text
FROM rejection
ORDER BY
    archive_seq,
    row_index

-- name: every_factor
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
ORDER BY
    ticker,
    kind,
    vendor_id,
    archive_seq
