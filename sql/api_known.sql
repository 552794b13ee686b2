-- Queries of api/bars/known.py. Each reads one generation only, see api/generation.py.

-- name: bars_known_at
-- Bars as they were believed at an instant in order of session, as one row, none without bars: each column is its
-- values' binary form, end to end. $1 ticker, $2 last session, $3 instant
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
        archive_seq,
        known_from
    FROM projection.bars_known_at($1, '0001-01-01', $2, $3)
    ORDER BY session
) AS ordered
GROUP BY ticker

-- name: factors_stated_by
-- $1 ticker, $2 instant
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
FROM projection.factor
WHERE ticker = $1
    AND known_from <= $2

-- name: overrides_known_at
-- $1 ticker, $2 instant
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
FROM projection.override
WHERE ticker = $1
    AND known_from <= $2
    AND (known_to IS NULL OR known_to > $2)

-- name: ruleset_body
-- $1 hash
SELECT body
FROM archive.ruleset
WHERE ruleset_hash = $1
