-- Queries of the kinds of records (project/kinds.py): versions of small facts, of which those without known_to are
-- believed. Tables are named without their schema: the search path says which generation is meant.

-- name: believed_split
-- $1 tickers, $2 questions that were answered
SELECT
    ticker,
    vendor_id,
    execution_date,
    split_from,
    split_to,
    adjustment_type,
    vendor_factor,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM split
WHERE known_to IS NULL
    AND (ticker = ANY($1::text[]) OR asked = ANY($2::text[]))

-- name: every_split
-- All versions.
SELECT
    ticker,
    vendor_id,
    execution_date,
    split_from,
    split_to,
    adjustment_type,
    vendor_factor,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM split
ORDER BY
    ticker,
    vendor_id,
    archive_seq

-- name: end_split
-- $1 known_to, $2 ended_by, $3 archive_seq of the version, $4 ticker, $5 vendor_id
UPDATE split
SET known_to = $1,
    ended_by = $2
WHERE archive_seq = $3
    AND ticker = $4
    AND vendor_id = $5

-- name: believed_dividend
-- $1 tickers, $2 questions that were answered
SELECT
    ticker,
    vendor_id,
    ex_dividend_date,
    cash_amount,
    currency,
    declaration_date,
    record_date,
    pay_date,
    frequency,
    distribution_type,
    vendor_factor,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM dividend
WHERE known_to IS NULL
    AND (ticker = ANY($1::text[]) OR asked = ANY($2::text[]))

-- name: every_dividend
-- All versions.
SELECT
    ticker,
    vendor_id,
    ex_dividend_date,
    cash_amount,
    currency,
    declaration_date,
    record_date,
    pay_date,
    frequency,
    distribution_type,
    vendor_factor,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM dividend
ORDER BY
    ticker,
    vendor_id,
    archive_seq

-- name: end_dividend
-- $1 known_to, $2 ended_by, $3 archive_seq of the version, $4 ticker, $5 vendor_id
UPDATE dividend
SET known_to = $1,
    ended_by = $2
WHERE archive_seq = $3
    AND ticker = $4
    AND vendor_id = $5

-- name: believed_override
-- $1 tickers, $2 questions that were answered
SELECT
    ticker,
    session,
    verdict,
    because,
    decided_by,
    decided_at,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM override
WHERE known_to IS NULL
    AND (ticker = ANY($1::text[]) OR asked = ANY($2::text[]))

-- name: every_override
-- All versions.
SELECT
    ticker,
    session,
    verdict,
    because,
    decided_by,
    decided_at,
    archive_seq,
    known_from,
    known_to,
    ended_by,
    asked
FROM override
ORDER BY
    ticker,
    session,
    archive_seq

-- name: end_override
-- $1 known_to, $2 ended_by, $3 archive_seq of the version, $4 ticker, $5 session
UPDATE override
SET known_to = $1,
    ended_by = $2
WHERE archive_seq = $3
    AND ticker = $4
    AND session = $5

-- name: believed_listing
-- $1 tickers, $2 questions that were answered
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
    AND (ticker = ANY($1::text[]) OR asked = ANY($2::text[]))

-- name: every_listing
-- All versions.
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
ORDER BY
    ticker,
    security_id,
    archive_seq

-- name: end_listing
-- $1 known_to, $2 ended_by, $3 archive_seq of the version, $4 ticker, $5 security_id
UPDATE listing
SET known_to = $1,
    ended_by = $2
WHERE archive_seq = $3
    AND ticker = $4
    AND security_id = $5

-- name: believed_ticker_change
-- $1 tickers, $2 questions that were answered
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
    AND (ticker = ANY($1::text[]) OR asked = ANY($2::text[]))

-- name: every_ticker_change
-- All versions.
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
ORDER BY
    ticker,
    security_id,
    changed_on,
    archive_seq

-- name: end_ticker_change
-- $1 known_to, $2 ended_by, $3 archive_seq of the version, $4 ticker, $5 security_id, $6 changed_on
UPDATE ticker_change
SET known_to = $1,
    ended_by = $2
WHERE archive_seq = $3
    AND ticker = $4
    AND security_id = $5
    AND changed_on = $6
