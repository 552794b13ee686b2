-- Queries of project/revisions.py: what the vendor restated. Tables are named without their schema: the search path
-- says which generation is meant.

-- name: newest_revisions
-- Old values with those that took their place, which are a revision too or the bar.
-- $1 ticker or NULL for all, $2 restated at or after this instant, or NULL, $3 how many at most
SELECT
    old.ticker,
    old.session,
    old.known_to AS restated_at,
    old.superseded_by,
    old.known_from,
    old.archive_seq,
    old.open AS old_open,
    old.high AS old_high,
    old.low AS old_low,
    old.close AS old_close,
    old.volume AS old_volume,
    old.vwap AS old_vwap,
    old.trades AS old_trades,
    new.open AS new_open,
    new.high AS new_high,
    new.low AS new_low,
    new.close AS new_close,
    new.volume AS new_volume,
    new.vwap AS new_vwap,
    new.trades AS new_trades
FROM (
    SELECT bar_revision.*
    FROM bar_revision
    WHERE ($1::text IS NULL OR ticker = $1 COLLATE "C")
        AND ($2::timestamptz IS NULL OR known_to >= $2)
    ORDER BY
        known_to DESC,
        superseded_by DESC,
        ticker,
        session
    LIMIT $3
) AS old
LEFT JOIN LATERAL (
    SELECT
        open,
        high,
        low,
        close,
        volume,
        vwap,
        trades
    FROM bar
    WHERE bar.ticker = old.ticker
        AND bar.session = old.session
        AND bar.archive_seq = old.superseded_by
    UNION ALL
    SELECT
        open,
        high,
        low,
        close,
        volume,
        vwap,
        trades
    FROM bar_revision AS later
    WHERE later.ticker = old.ticker
        AND later.session = old.session
        AND later.archive_seq = old.superseded_by
) AS new ON true
ORDER BY
    old.known_to DESC,
    old.superseded_by DESC,
    old.ticker,
    old.session

-- name: count_revisions
-- $1 ticker or NULL for all, $2 restated at or after this instant, or NULL
SELECT count(*)
FROM bar_revision
WHERE ($1::text IS NULL OR ticker = $1 COLLATE "C")
    AND ($2::timestamptz IS NULL OR known_to >= $2)
