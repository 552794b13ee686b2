-- Queries of project/factors/report.py: what is made of splits and dividends. Tables are named without their schema: the
-- search path says which generation is meant.

-- name: newest_factors
-- $1 ticker or NULL for all, $2 whether only those with a flag that asks for a look, $3 believed at this instant, NULL
-- for now, $4 how many at most
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
FROM factor
WHERE ($1::text IS NULL OR ticker = $1 COLLATE "C")
    AND (NOT $2::boolean OR cardinality(array_remove(flags, 'unchecked')) > 0)
    AND known_from <= coalesce($3::timestamptz, 'infinity')
    AND (known_to IS NULL OR known_to > $3::timestamptz)
ORDER BY
    ex_date DESC,
    ticker,
    kind DESC,
    archive_seq,
    vendor_id
LIMIT $4

-- name: count_factors
-- How many there are, and how many of them with each flag. $1 ticker or NULL for all, $2 whether only those with a flag
-- that asks for a look, $3 believed at this instant, NULL for now
WITH chosen AS (
    SELECT flags
    FROM factor
    WHERE ($1::text IS NULL OR ticker = $1 COLLATE "C")
        AND (NOT $2::boolean OR cardinality(array_remove(flags, 'unchecked')) > 0)
        AND known_from <= coalesce($3::timestamptz, 'infinity')
        AND (known_to IS NULL OR known_to > $3::timestamptz)
)
SELECT
    NULL AS flag,
    count(*) AS factors
FROM chosen
UNION ALL
SELECT
    flag,
    count(*)
FROM chosen
CROSS JOIN LATERAL unnest(chosen.flags) AS flag
GROUP BY flag
