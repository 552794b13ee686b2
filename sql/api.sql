-- Queries of the api room.
--
-- Each reads one table of the projection only, so that no swap can come between two of its tables (api/generation.py).

-- name: live_generation
-- The generation that is live, and the version of its schema's row, which every rename changes.
SELECT
    namespace.oid AS schema_oid,
    namespace.xmin AS schema_version,
    generation.generation_id,
    generation.checkpoint,
    generation.ruleset_hash,
    generation.calendar_version,
    generation.content_hash,
    generation.built_at,
    generation.caught_up_at
FROM projection.generation AS generation
JOIN pg_namespace AS namespace
    ON namespace.nspname = 'projection'

-- name: discard_plans
DISCARD PLANS

-- name: symbol_status_of
-- $1 ticker
SELECT
    first_session,
    last_session,
    bars,
    rejections
FROM projection.symbol_status
WHERE ticker = $1

-- name: all_coverage
-- The whole projection in one row; from symbol_status, since counting bars would read them all.
SELECT
    count(*) FILTER (WHERE bars > 0) AS symbols,
    max(last_session) AS last_session,
    coalesce(sum(bars), 0)::bigint AS bars,
    coalesce(sum(validated_bars), 0)::bigint AS validated_bars,
    coalesce(sum(gaps_flagged), 0)::bigint AS gaps_flagged
FROM projection.symbol_status

-- name: rule_names
SELECT
    bit,
    name
FROM projection.rule
ORDER BY bit

-- name: applied_splits_of
-- What is believed now of a ticker's splits and applied to its bars. $1 ticker
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
    AND kind = 'split'
    AND applied_on IS NOT NULL
    AND known_to IS NULL

-- name: bar_columns_between
-- Bars in order of session as one row: each column is its values' binary form, end to end, NULL without bars. Decoding
-- them as values one by one takes longer than everything else about a request.
-- $1 ticker, $2 first session, $3 last session, $4 whether only validated ones, $5 lowest quality score
SELECT
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
    string_agg(boolsend(validated), '') AS validated
FROM (
    SELECT
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
        validated
    FROM projection.bar
    WHERE ticker = $1
        AND session >= $2
        AND session <= $3
        AND (NOT $4::boolean OR validated)
        AND quality_score >= $5
    ORDER BY session
) AS ordered

-- name: count_bars_between
-- $1 ticker, $2 first session, $3 last session
SELECT count(*)
FROM projection.bar
WHERE ticker = $1
    AND session >= $2
    AND session <= $3
