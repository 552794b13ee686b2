-- Queries about what a symbol stands for. Tables are named without their schema: the search path says which generation
-- is meant. Only what is believed now is read; `every_…` in records.sql has all versions.

-- name: changes_about
-- The ticker changes of every security that has, or had, one of these tickers. $1 tickers
SELECT
    ticker,
    security_id,
    name,
    changed_on,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM ticker_change
WHERE known_to IS NULL
    AND security_id IN (
        SELECT security_id
        FROM ticker_change
        WHERE known_to IS NULL
            AND ticker = ANY($1::text[])
        UNION
        SELECT unnest(ARRAY[security_id, composite_figi, share_class_figi, cik])
        FROM listing
        WHERE known_to IS NULL
            AND ticker = ANY($1::text[])
    )
ORDER BY
    security_id,
    changed_on

-- name: listings_about
-- $1 tickers, $2 ids of securities
SELECT
    ticker,
    security_id,
    name,
    market,
    type,
    primary_exchange,
    cik,
    composite_figi,
    share_class_figi,
    active,
    delisted_on,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM listing
WHERE known_to IS NULL
    AND (ticker = ANY($1::text[]) OR security_id = ANY($2::text[]))
ORDER BY
    ticker,
    security_id

-- name: all_changes
SELECT
    ticker,
    security_id,
    name,
    changed_on,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM ticker_change
WHERE known_to IS NULL

-- name: all_listings
SELECT
    ticker,
    security_id,
    name,
    market,
    type,
    primary_exchange,
    cik,
    composite_figi,
    share_class_figi,
    active,
    delisted_on,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM listing
WHERE known_to IS NULL

-- name: bars_of_symbols
-- $1 tickers
SELECT
    ticker,
    first_session,
    last_session,
    bars
FROM symbol_status
WHERE ticker = ANY($1::text[])

-- name: sessions_near
-- The sessions with a bar of each ticker within some days of a date. $1 tickers, $2 dates, $3 days on either side
SELECT DISTINCT
    bar.ticker,
    bar.session
FROM unnest($1::text[], $2::date[]) AS change (ticker, changed_on)
JOIN bar
    ON bar.ticker = change.ticker COLLATE "C"
    AND bar.session BETWEEN change.changed_on - $3::integer AND change.changed_on + $3::integer
ORDER BY
    bar.ticker,
    bar.session
