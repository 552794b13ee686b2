-- Queries of the search for large moves. Tables are named without their schema: the search path says which generation
-- is meant.

-- name: large_moves
-- Bars whose open or close is further from the close before than a limit, as traded. A price beyond what a division
-- can take counts as such. $1 ticker or NULL for all, $2 limit (0.1 is 10 %)
SELECT
    ticker,
    session,
    open,
    close,
    volume_ratio,
    archive_seq,
    previous_session,
    previous_close,
    next_close
FROM (
    SELECT
        ticker,
        session,
        open,
        close,
        volume_ratio,
        archive_seq,
        lag(session) OVER series AS previous_session,
        lag(close) OVER series AS previous_close,
        lead(close) OVER series AS next_close
    FROM bar
    WHERE $1::text IS NULL
        OR ticker = $1
    WINDOW series AS (PARTITION BY ticker ORDER BY session)
) AS beside
WHERE CASE
    WHEN previous_close IS NULL OR NOT previous_close BETWEEN 1e-9 AND 1e15 THEN false
    WHEN NOT open BETWEEN -1e15 AND 1e15 OR NOT close BETWEEN -1e15 AND 1e15 THEN true
    ELSE abs(open - previous_close) > $2::double precision * previous_close
        OR abs(close - previous_close) > $2 * previous_close
END
ORDER BY
    ticker,
    session

-- name: factors_of_moves
-- What was effective between two bars by what is believed now.
-- $1 tickers, $2 sessions before, $3 sessions
SELECT
    factor.ticker,
    moved.session,
    factor.kind,
    factor.ex_date,
    factor.split_from,
    factor.split_to,
    factor.cash,
    factor.price_factor
FROM unnest($1::text[], $2::date[], $3::date[]) AS moved (ticker, previous_session, session)
JOIN factor
    ON factor.ticker = moved.ticker COLLATE "C"
    AND factor.applied_on > moved.previous_session
    AND factor.applied_on <= moved.session
WHERE factor.known_to IS NULL
    AND factor.price_factor IS NOT NULL
ORDER BY
    factor.ticker,
    moved.session,
    factor.kind DESC,
    factor.ex_date,
    factor.vendor_id
