-- What bars are judged by besides themselves (project/factors/circumstances.py). Tables are named without their schema: the
-- search path says which generation is meant.

-- name: splits_near
-- Every version, believed or ended, with an ex-date from a date on. $1 tickers, $2 dates
SELECT
    split.ticker,
    split.vendor_id,
    split.execution_date,
    split.split_from,
    split.split_to,
    split.adjustment_type,
    split.vendor_factor,
    split.archive_seq,
    split.known_from,
    split.known_to,
    split.ended_by,
    split.asked
FROM unnest($1::text[], $2::date[]) AS touched (ticker, since)
JOIN split
    ON split.ticker = touched.ticker COLLATE "C"
    AND split.execution_date >= touched.since

-- name: dividends_near
-- Every version, believed or ended, with an ex-date from a date on. $1 tickers, $2 dates
SELECT
    dividend.ticker,
    dividend.vendor_id,
    dividend.ex_dividend_date,
    dividend.cash_amount,
    dividend.currency,
    dividend.declaration_date,
    dividend.record_date,
    dividend.pay_date,
    dividend.frequency,
    dividend.distribution_type,
    dividend.vendor_factor,
    dividend.archive_seq,
    dividend.known_from,
    dividend.known_to,
    dividend.ended_by,
    dividend.asked
FROM unnest($1::text[], $2::date[]) AS touched (ticker, since)
JOIN dividend
    ON dividend.ticker = touched.ticker COLLATE "C"
    AND dividend.ex_dividend_date >= touched.since

-- name: factors_around
-- The factors that bars from a session on are judged by, and those that may be weighed again: splits of all times,
-- since volumes are compared in the same shares; dividends that are effective after the bar before the session, which
-- may be up to ten days after their ex-date (project/factors/around.py).
-- $1 tickers, $2 sessions, $3 ex-dates from which on all are wanted
SELECT
    factor.ticker,
    factor.kind,
    factor.vendor_id,
    factor.archive_seq,
    factor.ex_date,
    factor.applied_on,
    factor.split_from,
    factor.split_to,
    factor.cash,
    factor.price_factor,
    factor.volume_factor,
    factor.move,
    factor.vendor_factor,
    factor.flags,
    factor.known_from,
    factor.known_to
FROM unnest($1::text[], $2::date[], $3::date[]) AS touched (ticker, since, weighed_from)
CROSS JOIN LATERAL (
    SELECT max(bar.session) AS session
    FROM bar
    WHERE bar.ticker = touched.ticker COLLATE "C"
        AND bar.session < touched.since
) AS before
CROSS JOIN LATERAL (
    SELECT splits.*
    FROM factor AS splits
    WHERE splits.ticker = touched.ticker COLLATE "C"
        AND splits.kind = 'split'
    UNION ALL
    SELECT dividends.*
    FROM factor AS dividends
    WHERE dividends.ticker = touched.ticker COLLATE "C"
        AND dividends.kind = 'dividend'
        AND dividends.ex_date >= least(before.session, touched.weighed_from) - 10
) AS factor

-- name: applied_factors
-- $1 tickers
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
WHERE ticker = ANY($1::text[])
    AND applied_on IS NOT NULL
    AND known_to IS NULL

-- name: delete_factor
-- $1 ticker, $2 kind, $3 vendor_id, $4 archive_seq
DELETE FROM factor
WHERE ticker = $1
    AND kind = $2
    AND vendor_id = $3
    AND archive_seq = $4
