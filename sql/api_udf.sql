-- Queries of api/udf: what a chart asks for besides bars. Each reads one table of the projection only (api/generation.py).

-- name: exchanges_listed
-- Where the securities with a listing are listed.
SELECT DISTINCT primary_exchange
FROM projection.listing
WHERE known_to IS NULL
    AND primary_exchange IS NOT NULL
ORDER BY primary_exchange

-- name: listings_like
-- The listing that counts of each ticker, where ticker or name contain the text in any case: the one that trades, else
-- the one that did last. $1 text
SELECT
    ticker,
    name,
    primary_exchange
FROM (
    SELECT DISTINCT ON (ticker)
        ticker,
        name,
        primary_exchange
    FROM projection.listing
    WHERE known_to IS NULL
    ORDER BY
        ticker,
        active DESC,
        delisted_on DESC NULLS LAST,
        known_from DESC,
        security_id
) AS current_listing
WHERE strpos(upper(ticker), upper($1)) > 0
    OR strpos(upper(name), upper($1)) > 0

-- name: listing_of
-- As above, of one ticker. $1 ticker
SELECT
    ticker,
    name,
    primary_exchange
FROM projection.listing
WHERE ticker = $1
    AND known_to IS NULL
ORDER BY
    active DESC,
    delisted_on DESC NULLS LAST,
    known_from DESC,
    security_id
LIMIT 1

-- name: last_sessions_like
-- Tickers with bars that contain the text in any case, or are among the named, and their newest session.
-- $1 text, $2 tickers
SELECT
    ticker,
    last_session
FROM projection.symbol_status
WHERE bars > 0
    AND (strpos(upper(ticker), upper($1)) > 0 OR ticker = ANY ($2::text[]))

-- name: last_session_of
-- $1 ticker
SELECT last_session
FROM projection.symbol_status
WHERE ticker = $1

-- name: closes_on
-- One bar of each ticker. $1 tickers, $2 the session of each
SELECT
    ticker,
    close
FROM projection.bar
WHERE (ticker, session) IN (
    SELECT
        asked.ticker COLLATE "C",
        asked.session
    FROM unnest($1::text[], $2::date[]) AS asked (ticker, session)
)

-- name: verdicts_of
-- Sessions and failed rules of all bars of a ticker as one row, in the form of series_of. $1 ticker
SELECT
    string_agg(date_send(session), '' ORDER BY session) AS sessions,
    string_agg(int8send(failed_rules), '' ORDER BY session) AS failed_rules
FROM projection.bar
WHERE ticker = $1

-- name: chart_rules
SELECT
    bit,
    name
FROM projection.rule
ORDER BY bit

-- name: chart_events
-- What is believed now of a ticker's splits and dividends. $1 ticker
SELECT
    kind,
    coalesce(applied_on, ex_date) AS effective_on,
    ex_date,
    applied_on IS NOT NULL AS is_applied,
    split_from,
    split_to,
    cash,
    flags
FROM projection.factor
WHERE ticker = $1
    AND known_to IS NULL
    AND NOT 'duplicate' = ANY (flags)
ORDER BY
    effective_on,
    kind,
    vendor_id

-- name: chart_restatements
-- How often each bar of a ticker was restated, and when last. $1 ticker
SELECT
    session,
    count(*) AS times,
    max(known_to) AS last_at
FROM projection.bar_revision
WHERE ticker = $1
GROUP BY session
ORDER BY session
