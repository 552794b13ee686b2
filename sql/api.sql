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

-- name: known_symbols
-- $1 tickers
SELECT ticker
FROM projection.symbol_status
WHERE ticker = ANY($1)

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

-- name: live_identity
SELECT
    is_live,
    generation_id,
    checkpoint,
    ruleset_hash,
    calendar_version,
    content_hash,
    built_at,
    caught_up_at
FROM projection.identity

-- name: series
-- $1 tickers or NULL for all, $2 the first and $3 the last of them, $4 first session, $5 last session
SELECT
    is_live,
    generation_id,
    checkpoint,
    ruleset_hash,
    calendar_version,
    content_hash,
    built_at,
    caught_up_at,
    ticker,
    first_session,
    last_session,
    bars,
    rejections,
    rule_names,
    split_on,
    split_from,
    split_to,
    dividend_on,
    dividend_factor,
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
FROM projection.series_of($1, $2, $3, $4, $5)

-- name: market
-- $1 session, $2 last date of splits after it or NULL, $3 last date of dividends or NULL
SELECT
    is_live,
    generation_id,
    checkpoint,
    ruleset_hash,
    calendar_version,
    content_hash,
    built_at,
    caught_up_at,
    is_session,
    rule_names,
    split_of,
    split_on,
    split_from,
    split_to,
    dividend_of,
    dividend_on,
    dividend_factor,
    tickers,
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
FROM projection.market_of($1, $2, $3)
