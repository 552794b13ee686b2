-- Queries of the spot check in the ingest room. They read the live projection, which may be swapped at any moment: the
-- caller proves with spot_check_place, before and after, that every name meant the same schema.

-- name: spot_check_place
-- The schema that is live, and the version of its row, which every rename changes.
SELECT
    oid AS schema_oid,
    xmin AS schema_version
FROM pg_namespace
WHERE nspname = 'projection'

-- name: spot_check_discard_plans
-- A plan made during a swap may mean the other generation's table for good.
DISCARD PLANS

-- name: spot_check_period
-- The newest session with a bar, not after $1, and the session with which the last $2 up to it begin.
-- $1 last date asked for, NULL for the newest there is; $2 how many sessions
SELECT
    (
        SELECT min(recent.session)
        FROM (
            SELECT calendar.session
            FROM projection.session AS calendar
            WHERE calendar.session <= newest.session
            ORDER BY calendar.session DESC
            LIMIT $2
        ) AS recent
    ) AS first,
    newest.session AS last
FROM (
    SELECT least(max(last_session), $1::date) AS session
    FROM projection.symbol_status
) AS newest

-- name: spot_check_symbols
-- Symbols with a validated bar in a period: one look into the key of each, since a scan would read all bars.
-- $1 first session, $2 last session
SELECT status.ticker
FROM projection.symbol_status AS status
CROSS JOIN LATERAL (
    SELECT
    FROM projection.bar
    WHERE bar.ticker = status.ticker
        AND bar.session >= $1
        AND bar.session <= $2
        AND bar.validated
    LIMIT 1
) AS any_bar
WHERE status.validated_bars > 0
    AND status.first_session <= $2
    AND status.last_session >= $1
ORDER BY status.ticker

-- name: spot_check_closes
-- Closes of a period in shares of a date, or as traded: each multiplied by every split_from and divided by every
-- split_to of the splits that are applied with session < applied_on <= that date. Numerators and denominators are
-- multiplied apart, so that 7-for-1 divides by 7 and nothing else.
-- $1 tickers, $2 first session, $3 last session, $4 the date, NULL for as traded
WITH RECURSIVE applied AS (
    SELECT
        ticker,
        applied_on,
        split_from,
        split_to
    FROM projection.factor
    WHERE ticker = ANY($1::text[])
        AND kind = 'split'
        AND known_to IS NULL
        AND applied_on <= $4::date
),
latest_first AS (
    SELECT
        ticker,
        applied_on,
        split_from,
        split_to,
        row_number() OVER (
            PARTITION BY ticker
            ORDER BY
                applied_on DESC,
                split_from DESC,
                split_to DESC
        ) AS place
    FROM applied
),
factor AS (
    SELECT
        ticker,
        place,
        applied_on,
        split_from AS numerator,
        split_to AS denominator
    FROM latest_first
    WHERE place = 1
    UNION ALL
    SELECT
        earlier.ticker,
        earlier.place,
        earlier.applied_on,
        factor.numerator * earlier.split_from,
        factor.denominator * earlier.split_to
    FROM factor
    JOIN latest_first AS earlier
        ON earlier.ticker = factor.ticker
        AND earlier.place = factor.place + 1
)
SELECT
    bar.ticker,
    bar.session,
    bar.close * coalesce(undone.numerator, 1) / coalesce(undone.denominator, 1) AS close,
    bar.validated
FROM projection.bar
LEFT JOIN LATERAL (
    SELECT
        factor.numerator,
        factor.denominator
    FROM factor
    WHERE factor.ticker = bar.ticker
        AND factor.applied_on > bar.session
    ORDER BY factor.place DESC
    LIMIT 1
) AS undone
    ON true
WHERE bar.ticker = ANY($1::text[])
    AND bar.session >= $2
    AND bar.session <= $3
ORDER BY
    bar.ticker,
    bar.session
