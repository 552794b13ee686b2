-- Queries of the Polygon-compatible routes. Each reads one table of the projection (api/generation.py), and of splits,
-- dividends, listings and ticker changes only what is believed now.
--
-- Lists come in pages by key: a row's place is (rank, ticker, date, id). The rank is the field that is sorted by as a
-- number, negated to sort downwards, and the same for all rows where it is the ticker.

-- name: splits
-- $1 tickers or NULL, $2 first ticker or NULL, $3 first ticker that is out or NULL, $4 first and $5 last execution date
-- or NULL, $6 whether reverse splits or NULL, $7 adjustment types or NULL, $8 the field to sort by, $9 1 or, downwards,
-- -1, $10 $11 $12 $13 the place after which the page begins or NULL, $14 how many
SELECT
    ticker,
    vendor_id,
    execution_date,
    split_from,
    split_to,
    kind,
    rank
FROM (
    SELECT
        ticker,
        vendor_id,
        execution_date,
        split_from,
        split_to,
        coalesce(adjustment_type, CASE WHEN split_from > split_to THEN 'reverse_split' ELSE 'forward_split' END) AS kind,
        CASE $8::text
            WHEN 'execution_date' THEN $9::integer * (execution_date - DATE '2000-01-01')
            ELSE 0
        END::double precision AS rank,
        $8::text = 'ticker' AND $9::integer < 0 AS tickers_down
    FROM projection.split
    WHERE known_to IS NULL
        AND ($1::text[] IS NULL OR ticker = ANY($1::text[]))
        AND ($2::text IS NULL OR ticker >= $2 COLLATE "C")
        AND ($3::text IS NULL OR ticker < $3 COLLATE "C")
        AND ($4::date IS NULL OR execution_date >= $4)
        AND ($5::date IS NULL OR execution_date <= $5)
        AND ($6::boolean IS NULL OR (split_from > split_to) = $6)
) AS split
WHERE ($7::text[] IS NULL OR kind = ANY($7::text[]))
    AND (
        $10::double precision IS NULL
        OR rank > $10
        OR (
            rank = $10
            AND (
                CASE WHEN tickers_down THEN ticker < $11 COLLATE "C" ELSE ticker > $11 COLLATE "C" END
                OR (ticker = $11 COLLATE "C" AND (execution_date, vendor_id) > ($12::date, $13::text))
            )
        )
    )
ORDER BY
    rank,
    CASE WHEN NOT tickers_down THEN ticker END,
    CASE WHEN tickers_down THEN ticker END DESC,
    execution_date,
    vendor_id
LIMIT $14

-- name: dividends
-- $1 tickers or NULL, $2 first ticker or NULL, $3 first ticker that is out or NULL, $4 first and $5 last ex-date or
-- NULL, $6 $7 record date, $8 $9 declaration date, $10 $11 pay date, $12 $13 cash amount, $14 $15 frequency in the same
-- way, $16 distribution types as stored, with 'unknown' for none, or NULL, $17 the field to sort by, $18 1 or,
-- downwards, -1, $19 $20 $21 $22 the place after which the page begins or NULL, $23 how many
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
    rank
FROM (
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
        -- What has no such date comes last, upwards and downwards.
        coalesce(
            CASE $17::text
                WHEN 'ex_dividend_date' THEN $18::integer * (ex_dividend_date - DATE '2000-01-01')
                WHEN 'record_date' THEN $18::integer * (record_date - DATE '2000-01-01')
                WHEN 'declaration_date' THEN $18::integer * (declaration_date - DATE '2000-01-01')
                WHEN 'pay_date' THEN $18::integer * (pay_date - DATE '2000-01-01')
                WHEN 'cash_amount' THEN $18::integer * cash_amount
                ELSE 0
            END::double precision,
            1e308
        ) AS rank,
        $17::text = 'ticker' AND $18::integer < 0 AS tickers_down
    FROM projection.dividend
    WHERE known_to IS NULL
        AND ($1::text[] IS NULL OR ticker = ANY($1::text[]))
        AND ($2::text IS NULL OR ticker >= $2 COLLATE "C")
        AND ($3::text IS NULL OR ticker < $3 COLLATE "C")
        AND ($4::date IS NULL OR ex_dividend_date >= $4)
        AND ($5::date IS NULL OR ex_dividend_date <= $5)
        AND ($6::date IS NULL OR record_date >= $6)
        AND ($7::date IS NULL OR record_date <= $7)
        AND ($8::date IS NULL OR declaration_date >= $8)
        AND ($9::date IS NULL OR declaration_date <= $9)
        AND ($10::date IS NULL OR pay_date >= $10)
        AND ($11::date IS NULL OR pay_date <= $11)
        AND ($12::double precision IS NULL OR cash_amount >= $12)
        AND ($13::double precision IS NULL OR cash_amount <= $13)
        AND ($14::bigint IS NULL OR frequency >= $14)
        AND ($15::bigint IS NULL OR frequency <= $15)
        AND ($16::text[] IS NULL OR coalesce(distribution_type, 'unknown') = ANY($16::text[]))
) AS dividend
WHERE $19::double precision IS NULL
    OR rank > $19
    OR (
        rank = $19
        AND (
            CASE WHEN tickers_down THEN ticker < $20 COLLATE "C" ELSE ticker > $20 COLLATE "C" END
            OR (ticker = $20 COLLATE "C" AND (ex_dividend_date, vendor_id) > ($21::date, $22::text))
        )
    )
ORDER BY
    rank,
    CASE WHEN NOT tickers_down THEN ticker END,
    CASE WHEN tickers_down THEN ticker END DESC,
    ex_dividend_date,
    vendor_id
LIMIT $23

-- name: applied_factors
-- What is applied of the splits and dividends of some tickers. $1 tickers
SELECT
    ticker,
    kind,
    vendor_id,
    applied_on,
    split_from,
    split_to,
    price_factor
FROM projection.factor
WHERE ticker = ANY($1::text[])
    AND applied_on IS NOT NULL
    AND known_to IS NULL

-- name: listings
-- $1 tickers or NULL, $2 first ticker or NULL, $3 first ticker that is out or NULL, $4 type, $5 market, $6 exchange,
-- $7 CIK, each or NULL, $8 what to search for in ticker and name or NULL, $9 whether those that trade (those that do
-- not) on $10, a date, NULL for now, $11 the field to sort by, $12 whether downwards, $13 $14 $15 the place after which
-- the page begins or NULL, $16 how many
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
    is_active,
    delisted_on,
    known_from,
    key
FROM (
    SELECT
        ticker,
        security_id,
        name,
        coalesce(market, 'stocks') AS market,
        type,
        primary_exchange,
        cik,
        composite_figi,
        share_class_figi,
        active OR ($10::date IS NOT NULL AND delisted_on > $10) AS is_active,
        delisted_on,
        known_from,
        coalesce(
            CASE $11::text
                WHEN 'name' THEN coalesce(name, ticker)
                WHEN 'market' THEN coalesce(market, 'stocks')
                WHEN 'type' THEN type
                WHEN 'primary_exchange' THEN primary_exchange
                WHEN 'cik' THEN cik
                WHEN 'composite_figi' THEN composite_figi
                WHEN 'share_class_figi' THEN share_class_figi
            END,
            ''
        ) COLLATE "C" AS key
    FROM projection.listing
    WHERE known_to IS NULL
        AND ($1::text[] IS NULL OR ticker = ANY($1::text[]))
        AND ($2::text IS NULL OR ticker >= $2 COLLATE "C")
        AND ($3::text IS NULL OR ticker < $3 COLLATE "C")
        AND ($4::text IS NULL OR type = $4)
        AND ($6::text IS NULL OR primary_exchange = $6)
        AND ($7::text IS NULL OR ltrim(cik, '0') = ltrim($7, '0'))
        AND (
            $8::text IS NULL
            OR strpos(lower(ticker), lower($8)) > 0
            OR strpos(lower(name), lower($8)) > 0
        )
) AS listed
WHERE is_active = $9
    AND ($5::text IS NULL OR market = $5)
    AND (
        $13::text IS NULL
        OR CASE
            WHEN $12::boolean THEN (key, ticker, security_id) < ($13 COLLATE "C", $14 COLLATE "C", $15)
            ELSE (key, ticker, security_id) > ($13 COLLATE "C", $14 COLLATE "C", $15)
        END
    )
ORDER BY
    CASE WHEN NOT $12::boolean THEN key END,
    CASE WHEN $12::boolean THEN key END DESC,
    CASE WHEN NOT $12::boolean THEN ticker END,
    CASE WHEN $12::boolean THEN ticker END DESC,
    CASE WHEN NOT $12::boolean THEN security_id END,
    CASE WHEN $12::boolean THEN security_id END DESC
LIMIT $16

-- name: tickers_with_bars
-- $1 tickers or NULL, $2 first ticker or NULL, $3 first ticker that is out or NULL, $4 what to search for in the ticker
-- or NULL
SELECT array_agg(ticker ORDER BY ticker)
FROM projection.symbol_status
WHERE bars > 0
    AND ($1::text[] IS NULL OR ticker = ANY($1::text[]))
    AND ($2::text IS NULL OR ticker >= $2 COLLATE "C")
    AND ($3::text IS NULL OR ticker < $3 COLLATE "C")
    AND ($4::text IS NULL OR strpos(lower(ticker), lower($4)) > 0)

-- name: listed_tickers
-- Which tickers of some are in a list. $1 tickers
SELECT array_agg(DISTINCT ticker)
FROM projection.listing
WHERE known_to IS NULL
    AND ticker = ANY($1::text[])

-- name: listings_of
-- What is listed under a ticker, or of the security with this id. $1 ticker or id
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
FROM projection.listing
WHERE known_to IS NULL
    AND ($1 COLLATE "C" IN (ticker, security_id, composite_figi, share_class_figi))
ORDER BY
    ticker,
    security_id

-- name: securities_changed_to
-- Which securities have taken a ticker, or have this id. $1 ticker or id
SELECT array_agg(DISTINCT security_id)
FROM projection.ticker_change
WHERE known_to IS NULL
    AND $1 COLLATE "C" IN (ticker, security_id)

-- name: ticker_changes_of
-- $1 ids of securities
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
FROM projection.ticker_change
WHERE known_to IS NULL
    AND security_id = ANY($1::text[])
ORDER BY
    changed_on,
    archive_seq

-- name: has_bars
-- $1 ticker
SELECT bars > 0
FROM projection.symbol_status
WHERE ticker = $1

-- name: exchanges
SELECT DISTINCT primary_exchange
FROM projection.listing
WHERE known_to IS NULL
    AND primary_exchange IS NOT NULL
ORDER BY primary_exchange

-- name: hours_between
-- $1 first date, $2 last date
SELECT
    session,
    opens_at,
    closes_at
FROM projection.session
WHERE session BETWEEN $1 AND $2
