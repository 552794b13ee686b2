-- Queries of a rebuild of some bars only (project/partial.py). The search path means the next generation; what is taken
-- over comes from the live one. In all of them $1 is the chosen tickers, NULL for all, and $2 the first chosen session.

-- name: take_over_bars
INSERT INTO bar
SELECT kept.*
FROM projection.bar AS kept
WHERE kept.session < $2
    OR kept.ticker <> ALL($1::text[])

-- name: take_over_revisions
INSERT INTO bar_revision
SELECT kept.*
FROM projection.bar_revision AS kept
WHERE kept.session < $2
    OR kept.ticker <> ALL($1::text[])

-- name: take_over_rejections
-- Rows of splits and dividends have tickers and dates too, and are kept.
INSERT INTO rejection
SELECT kept.*
FROM projection.rejection AS kept
JOIN archive.payload
    ON payload.archive_seq = kept.archive_seq
WHERE kept.ticker IS NULL
    OR kept.session IS NULL
    OR kept.session < $2
    OR kept.ticker <> ALL($1::text[])
    OR payload.endpoint NOT IN ('range', 'grouped')

-- name: take_over_symbol_status
INSERT INTO symbol_status
SELECT kept.*
FROM projection.symbol_status AS kept

-- name: take_over_factor
INSERT INTO factor
SELECT kept.*
FROM projection.factor AS kept

-- name: take_over_split
INSERT INTO split
SELECT kept.*
FROM projection.split AS kept

-- name: take_over_dividend
INSERT INTO dividend
SELECT kept.*
FROM projection.dividend AS kept

-- name: take_over_listing
INSERT INTO listing
SELECT kept.*
FROM projection.listing AS kept

-- name: take_over_ticker_change
INSERT INTO ticker_change
SELECT kept.*
FROM projection.ticker_change AS kept

-- name: take_over_override
INSERT INTO override
SELECT kept.*
FROM projection.override AS kept

-- name: known_symbols
-- $1 tickers, as they are in the live generation
SELECT ticker
FROM symbol_status
WHERE ticker = ANY($1::text[])

-- name: payloads_of_choice
-- Payloads that may speak of the chosen bars, in commit order. $3 up to this archive_seq
SELECT archive_seq
FROM archive.payload
WHERE endpoint IN ('range', 'grouped')
    AND to_date >= $2
    AND ($1::text[] IS NULL OR ticker IS NULL OR ticker = ANY($1::text[]))
    AND archive_seq <= $3
ORDER BY archive_seq

-- name: count_again
-- $1 tickers, NULL for all
UPDATE symbol_status AS status
SET first_session = counted.first_session,
    last_session = counted.last_session,
    bars = counted.bars,
    validated_bars = counted.validated_bars,
    gaps_flagged = counted.gaps_flagged,
    volume_anomalies = counted.volume_anomalies,
    revisions = (SELECT count(*) FROM bar_revision WHERE bar_revision.ticker = counted.ticker),
    rejections = (SELECT count(*) FROM rejection WHERE rejection.ticker = counted.ticker)
FROM (
    SELECT
        known.ticker,
        min(bar.session) AS first_session,
        max(bar.session) AS last_session,
        count(bar.session) AS bars,
        count(*) FILTER (WHERE bar.validated) AS validated_bars,
        count(*) FILTER (WHERE bar.failed_rules & gap.mask > 0) AS gaps_flagged,
        count(*) FILTER (WHERE bar.failed_rules & anomaly.mask > 0) AS volume_anomalies
    FROM symbol_status AS known
    CROSS JOIN (SELECT coalesce(sum(1::bigint << bit), 0)::bigint FROM rule WHERE name = 'large_gap') AS gap (mask)
    CROSS JOIN (SELECT coalesce(sum(1::bigint << bit), 0)::bigint FROM rule WHERE name = 'volume_anomaly') AS anomaly (mask)
    LEFT JOIN bar
        ON bar.ticker = known.ticker
    WHERE $1::text[] IS NULL
        OR known.ticker = ANY($1::text[])
    GROUP BY known.ticker
) AS counted
WHERE status.ticker = counted.ticker
