-- Queries of GET /api/v1/changes: what has come since an instant. What came is told by archive_seq, so that all that
-- is looked at are the sessions and tickers that the payloads since then spoke of, by the indexes there are.
--
-- Each reads one table of the projection only, so that no swap can come between two of its tables (api/generation.py).

-- name: newest_fetching_run
-- The run that started last of those that asked a vendor for something, or may have. $1 kinds, $2 now
SELECT
    started.run_id,
    started.kind,
    started.at AS started_at,
    finished.at AS finished_at
FROM archive.run AS started
LEFT JOIN archive.run AS finished
    ON finished.run_id = started.run_id
    AND finished.phase = 'finished'
WHERE started.phase = 'started'
    AND started.kind = ANY($1::text[])
    AND started.at <= $2
    AND (finished.run_id IS NULL OR finished.detail -> 'requests' <> '0'::jsonb)
ORDER BY started.at DESC
LIMIT 1

-- name: newest_fetched_at
-- When the newest payload was fetched up to a checkpoint. $1 checkpoint
SELECT fetched_at
FROM archive.payload
WHERE archive_seq <= $1
ORDER BY archive_seq DESC
LIMIT 1

-- name: archived_before
-- The newest payload that was fetched before an instant. $1 instant
SELECT archive_seq
FROM archive.payload
WHERE fetched_at < $1
ORDER BY archive_seq DESC
LIMIT 1

-- name: markets_after
-- The sessions that were asked for of the whole market. $1 after this archive_seq, $2 up to this one
SELECT DISTINCT from_date AS session
FROM archive.payload
WHERE archive_seq > $1
    AND archive_seq <= $2
    AND endpoint = 'grouped'
    AND from_date IS NOT NULL

-- name: ranges_after
-- The tickers that were asked for one by one, with the dates. $1 after this archive_seq, $2 up to this one
SELECT
    ticker,
    min(from_date) AS first,
    max(to_date) AS last
FROM archive.payload
WHERE archive_seq > $1
    AND archive_seq <= $2
    AND endpoint = 'range'
    AND ticker IS NOT NULL
    AND from_date IS NOT NULL
    AND to_date IS NOT NULL
GROUP BY ticker

-- name: count_symbols
SELECT
    count(*) FILTER (WHERE bars > 0) AS symbols,
    max(last_session) AS newest
FROM projection.symbol_status

-- name: bars_of_sessions_after
-- Bars whose values came after an archive_seq. $1 sessions, $2 archive_seq
SELECT
    session,
    count(*) AS bars
FROM projection.bar
WHERE session = ANY($1::date[])
    AND archive_seq > $2
GROUP BY session

-- name: bars_of_tickers_after
-- The same of some tickers, but for sessions counted already.
-- Of each $1 ticker, $2 first and $3 last session; $4 archive_seq, $5 sessions that are counted
SELECT
    bar.session,
    count(*) AS bars
FROM unnest($1::text[], $2::date[], $3::date[]) AS asked (ticker, first, last)
CROSS JOIN LATERAL (
    SELECT session
    FROM projection.bar
    WHERE ticker = asked.ticker COLLATE "C"
        AND session BETWEEN asked.first AND asked.last
        AND session <> ALL($5::date[])
        AND archive_seq > $4
    -- Each ticker by the primary key: the planner, which knows no dates here, would else read every bar there is.
    OFFSET 0
) AS bar
GROUP BY bar.session

-- name: restated_after
-- How many bars of each session, known before, the vendor restated. $1 since when, $2 after this archive_seq
SELECT
    session,
    count(*) AS bars
FROM projection.bar_revision
WHERE known_to >= $1
    AND superseded_by > $2
    AND archive_seq <= $2
GROUP BY session

-- name: newest_restated_after
-- The first of them. $1 since when, $2 after this archive_seq, $3 how many at most
SELECT
    ticker,
    session,
    known_to,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades
FROM projection.bar_revision
WHERE known_to >= $1
    AND superseded_by > $2
    AND archive_seq <= $2
ORDER BY
    known_to DESC,
    superseded_by DESC,
    ticker DESC,
    session DESC
LIMIT $3

-- name: rejections_after
-- Rejected rows by what was wrong with them. $1 after this archive_seq
SELECT
    reasons,
    count(*) AS found
FROM projection.rejection
WHERE archive_seq > $1
GROUP BY reasons

-- name: newest_rejections_after
-- $1 after this archive_seq, $2 how many at most
SELECT
    archive_seq,
    row_index,
    ticker,
    session,
    reasons
FROM projection.rejection
WHERE archive_seq > $1
ORDER BY
    archive_seq DESC,
    row_index DESC
LIMIT $2

-- name: splits_after
-- Splits as stated since, those with the newest ex-date, and how many there are. $1 after this archive_seq, $2 how many
SELECT
    ticker,
    execution_date,
    split_from,
    split_to,
    count(*) OVER () AS found
FROM projection.split
WHERE archive_seq > $1
    AND known_to IS NULL
ORDER BY
    execution_date DESC,
    ticker
LIMIT $2

-- name: dividends_after
-- Dividends as stated since, those with the newest ex-date, and how many there are. $1 after this archive_seq, $2 how
-- many
SELECT
    ticker,
    ex_dividend_date,
    cash_amount,
    currency,
    count(*) OVER () AS found
FROM projection.dividend
WHERE archive_seq > $1
    AND known_to IS NULL
ORDER BY
    ex_dividend_date DESC,
    ticker
LIMIT $2

-- name: verdicts_of_session
-- $1 session
SELECT
    failed_rules,
    validated,
    count(*) AS bars
FROM projection.bar
WHERE session = $1
GROUP BY
    failed_rules,
    validated

-- name: worst_of_session
-- The bars that failed a rule, the worst score first. $1 session, $2 how many at most
SELECT
    ticker,
    failed_rules,
    quality_score,
    validated
FROM projection.bar
WHERE session = $1
    AND failed_rules <> 0
ORDER BY
    quality_score,
    ticker
LIMIT $2

-- name: ended_at
-- Symbols whose newest bar is of a session, those with most bars first, and how many there are. $1 session, $2 how many
-- at most
SELECT
    ticker,
    bars,
    count(*) OVER () AS found
FROM projection.symbol_status
WHERE last_session = $1
ORDER BY
    bars DESC,
    ticker
LIMIT $2

-- name: steps_of_run
-- How many parts of a run ended each way, with those words that say why. $1 run_id
SELECT
    step ->> 'ending' AS ending,
    step ->> 'endpoint' AS endpoint,
    step ->> 'why' AS why,
    count(*) AS steps,
    (array_agg(step ->> 'subject'))[:10] AS subjects
FROM archive.run
CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN jsonb_typeof(detail -> 'outcomes') = 'array' THEN detail -> 'outcomes' ELSE '[]'::jsonb END
) AS step
WHERE run_id = $1
    AND phase = 'finished'
    AND jsonb_typeof(step) = 'object'
GROUP BY
    ending,
    endpoint,
    why
ORDER BY
    steps DESC,
    ending,
    endpoint,
    why
LIMIT 100
