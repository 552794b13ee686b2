-- Queries of the search for gaps. Tables are named without their schema: the search path says which generation is
-- meant. What answers spoke of is read from the archive, without bodies, up to the generation's checkpoint.

-- name: symbols_with_bars
-- Every ticker that bars were asked for or came of. $1 tickers or NULL for all
SELECT
    ticker,
    first_session,
    last_session,
    bars
FROM symbol_status
WHERE $1::text[] IS NULL
    OR ticker = ANY($1)
ORDER BY ticker

-- name: longest_series
-- The tickers with the most bars. $1 how many
SELECT
    ticker,
    first_session,
    last_session
FROM symbol_status
WHERE bars > 0
ORDER BY
    bars DESC,
    ticker
LIMIT $1

-- name: range_answers
-- The dates that answers about a ticker by name spoke of, and whether the newest bar of each traded over the counter.
-- An answer with rows speaks of the dates from its first row to its last, since a vendor that cuts a range short says
-- nothing of the rest; without an assessment it is taken at its word. $1 tickers or NULL for all, $2 checkpoint
SELECT
    payload.ticker,
    coalesce(assessment.first_session, payload.from_date) AS from_date,
    coalesce(assessment.last_session, payload.to_date) AS to_date,
    payload.fetched_at,
    coalesce(assessment.otc, false) AS otc,
    assessment.last_session AS newest_bar
FROM archive.payload
LEFT JOIN LATERAL (
    SELECT
        judged.outcome,
        judged.first_session,
        judged.last_session,
        judged.otc,
        judged.next_request
    FROM archive.assessment AS judged
    WHERE judged.archive_seq = payload.archive_seq
    ORDER BY judged.assessor DESC
    LIMIT 1
) AS assessment ON true
WHERE payload.endpoint = 'range'
    AND payload.http_status = 200
    AND payload.transfer = 'complete'
    AND payload.archive_seq <= $2
    AND payload.from_date IS NOT NULL
    AND payload.to_date IS NOT NULL
    AND ($1::text[] IS NULL OR payload.ticker = ANY($1))
    AND (
        assessment.outcome IS NULL
        OR assessment.outcome = 'answer'
        OR (assessment.outcome = 'empty' AND assessment.next_request IS NULL AND payload.request NOT LIKE '%cursor=%')
    )

-- name: market_answers
-- When each session was last answered for the whole market, by request or by file. $1 checkpoint
SELECT
    payload.from_date AS session,
    max(payload.fetched_at) AS fetched_at
FROM archive.payload
LEFT JOIN LATERAL (
    SELECT
        judged.outcome,
        judged.row_count,
        judged.first_session
    FROM archive.assessment AS judged
    WHERE judged.archive_seq = payload.archive_seq
    ORDER BY judged.assessor DESC
    LIMIT 1
) AS assessment ON true
WHERE payload.source IN ('polygon', 'massive_flat')
    AND payload.endpoint = 'grouped'
    AND payload.from_date IS NOT NULL
    AND payload.http_status = 200
    AND payload.transfer = 'complete'
    AND payload.archive_seq <= $1
    AND (
        assessment.outcome IS NULL
        OR assessment.outcome = 'empty'
        OR (assessment.outcome = 'answer' AND assessment.first_session IS NOT NULL)
    )
GROUP BY payload.from_date

-- name: rejected_bars
-- The sessions of which a row of bars was rejected. $1 tickers or NULL for all
SELECT DISTINCT
    rejection.ticker,
    rejection.session
FROM rejection
JOIN archive.payload
    ON payload.archive_seq = rejection.archive_seq
WHERE rejection.ticker IS NOT NULL
    AND rejection.session IS NOT NULL
    AND payload.endpoint IN ('range', 'grouped')
    AND ($1::text[] IS NULL OR rejection.ticker = ANY($1))

-- name: bar_columns_of
-- Each ticker's bars in order, as one row: columns are the binary forms of their values, end to end. $1 tickers
SELECT
    ticker,
    string_agg(date_send(session), '') AS session,
    string_agg(float8send(close), '') AS close,
    string_agg(float8send(volume), '') AS volume,
    string_agg(float8send(coalesce(trades, 'NaN')), '') AS trades
FROM (
    SELECT
        ticker,
        session,
        close,
        volume,
        trades
    FROM bar
    WHERE ticker = ANY($1::text[])
    ORDER BY
        ticker,
        session
) AS ordered
GROUP BY ticker

-- name: sessions_between
-- As above, the sessions alone. $1 tickers, $2 first session, $3 last session
SELECT
    ticker,
    string_agg(date_send(session), '') AS session
FROM (
    SELECT
        ticker,
        session
    FROM bar
    WHERE ticker = ANY($1::text[])
        AND session BETWEEN $2 AND $3
    ORDER BY
        ticker,
        session
) AS ordered
GROUP BY ticker
