-- Queries of api/records/: what the vendor said of splits and dividends, what it restated, what was rejected.
--
-- Each reads one table of the projection only, so that no swap can come between two of its tables (api/generation.py).
-- A page begins after the row whose key is given, NULL for the first page.

-- name: plan_each_page
-- For the rest of the transaction. A filter that is left out is NULL, so what is the best plan depends on which are; to
-- compile a plan takes longer than to read a page by it.
SELECT
    set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('jit', 'off', true)

-- name: splits_ascending
-- What the vendor said of splits, in order of ex-date.
-- $1 ticker, $2 first ex-date, $3 last ex-date, each NULL for all, $4 whether those no longer believed too, $5 as of
-- this instant, NULL for now, $6 to $9 key of the row before: ex-date, ticker, vendor's id, payload, $10 how many at most
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
    ended_by
FROM projection.split
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR execution_date >= $2)
    AND ($3::date IS NULL OR execution_date <= $3)
    AND known_from <= coalesce($5::timestamptz, 'infinity')
    AND ($4::boolean OR known_to IS NULL OR known_to > $5::timestamptz)
    AND ($6::date IS NULL OR (execution_date, ticker, vendor_id, archive_seq) > ($6, $7, $8, $9))
ORDER BY
    execution_date,
    ticker,
    vendor_id,
    archive_seq
LIMIT $10

-- name: splits_descending
-- As splits_ascending, from the end.
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
    ended_by
FROM projection.split
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR execution_date >= $2)
    AND ($3::date IS NULL OR execution_date <= $3)
    AND known_from <= coalesce($5::timestamptz, 'infinity')
    AND ($4::boolean OR known_to IS NULL OR known_to > $5::timestamptz)
    AND ($6::date IS NULL OR (execution_date, ticker, vendor_id, archive_seq) < ($6, $7, $8, $9))
ORDER BY
    execution_date DESC,
    ticker DESC,
    vendor_id DESC,
    archive_seq DESC
LIMIT $10

-- name: dividends_ascending
-- What the vendor said of dividends, in order of ex-date.
-- $1 ticker, $2 first ex-date, $3 last ex-date, each NULL for all, $4 whether those no longer believed too, $5 as of
-- this instant, NULL for now, $6 to $9 key of the row before: ex-date, ticker, vendor's id, payload, $10 how many at most
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
    ended_by
FROM projection.dividend
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR ex_dividend_date >= $2)
    AND ($3::date IS NULL OR ex_dividend_date <= $3)
    AND known_from <= coalesce($5::timestamptz, 'infinity')
    AND ($4::boolean OR known_to IS NULL OR known_to > $5::timestamptz)
    AND ($6::date IS NULL OR (ex_dividend_date, ticker, vendor_id, archive_seq) > ($6, $7, $8, $9))
ORDER BY
    ex_dividend_date,
    ticker,
    vendor_id,
    archive_seq
LIMIT $10

-- name: dividends_descending
-- As dividends_ascending, from the end.
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
    ended_by
FROM projection.dividend
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR ex_dividend_date >= $2)
    AND ($3::date IS NULL OR ex_dividend_date <= $3)
    AND known_from <= coalesce($5::timestamptz, 'infinity')
    AND ($4::boolean OR known_to IS NULL OR known_to > $5::timestamptz)
    AND ($6::date IS NULL OR (ex_dividend_date, ticker, vendor_id, archive_seq) < ($6, $7, $8, $9))
ORDER BY
    ex_dividend_date DESC,
    ticker DESC,
    vendor_id DESC,
    archive_seq DESC
LIMIT $10

-- name: what_became_of
-- What is made of versions of splits or dividends. $1 kind; of each version $2 ticker, $3 vendor's id, $4 payload
SELECT
    ticker,
    vendor_id,
    archive_seq,
    applied_on,
    price_factor,
    volume_factor,
    move,
    flags
FROM projection.factor
WHERE kind = $1
    AND (ticker, vendor_id, archive_seq) IN (
        SELECT
            version.ticker,
            version.vendor_id,
            version.archive_seq
        FROM unnest($2::text[], $3::text[], $4::bigint[]) AS version (ticker, vendor_id, archive_seq)
    )

-- name: revisions_ascending
-- Values that the vendor restated, in order of when and by which payload.
-- $1 ticker, $2 first session, $3 last session, $4 restated from this instant on, $5 restated before this instant, each
-- NULL for all, $6 to $9 key of the row before: when restated, by which payload, ticker, session, $10 how many at most
SELECT
    ticker,
    session,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades,
    archive_seq,
    known_from,
    known_to,
    superseded_by
FROM projection.bar_revision
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR session >= $2)
    AND ($3::date IS NULL OR session <= $3)
    AND ($4::timestamptz IS NULL OR known_to >= $4)
    AND ($5::timestamptz IS NULL OR known_to < $5)
    AND ($6::timestamptz IS NULL OR (known_to, superseded_by, ticker, session) > ($6, $7, $8, $9))
ORDER BY
    known_to,
    superseded_by,
    ticker,
    session
LIMIT $10

-- name: revisions_descending
-- As revisions_ascending, from the end.
SELECT
    ticker,
    session,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades,
    archive_seq,
    known_from,
    known_to,
    superseded_by
FROM projection.bar_revision
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR session >= $2)
    AND ($3::date IS NULL OR session <= $3)
    AND ($4::timestamptz IS NULL OR known_to >= $4)
    AND ($5::timestamptz IS NULL OR known_to < $5)
    AND ($6::timestamptz IS NULL OR (known_to, superseded_by, ticker, session) < ($6, $7, $8, $9))
ORDER BY
    known_to DESC,
    superseded_by DESC,
    ticker DESC,
    session DESC
LIMIT $10

-- name: later_values
-- Of the values that took the place of others, those that were restated in their turn.
-- Of each $1 ticker, $2 session, $3 the payload that said them
SELECT
    ticker,
    session,
    archive_seq,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades
FROM projection.bar_revision
WHERE (ticker, session, archive_seq) IN (
    SELECT
        said.ticker,
        said.session,
        said.archive_seq
    FROM unnest($1::text[], $2::date[], $3::bigint[]) AS said (ticker, session, archive_seq)
)

-- name: values_now
-- The values that are believed now. Of each bar $1 ticker, $2 session
SELECT
    bar.ticker,
    bar.session,
    bar.archive_seq,
    bar.open,
    bar.high,
    bar.low,
    bar.close,
    bar.volume,
    bar.vwap,
    bar.trades
FROM unnest($1::text[], $2::date[]) AS meant (ticker, session)
JOIN projection.bar
    ON bar.ticker = meant.ticker COLLATE "C"
    AND bar.session = meant.session

-- name: rejections_ascending
-- Raw rows that were rejected, in order of payloads and places in them.
-- $1 ticker, $2 first date, $3 last date, $4 reason, $5 payload, each NULL for all, $6 and $7 key of the row before:
-- payload and place in it, $8 how many at most
SELECT
    archive_seq,
    row_index,
    ticker,
    session,
    reasons,
    row_text
FROM projection.rejection
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR session >= $2)
    AND ($3::date IS NULL OR session <= $3)
    AND ($4::text IS NULL OR $4 = ANY(reasons))
    AND ($5::bigint IS NULL OR archive_seq = $5)
    AND ($6::bigint IS NULL OR (archive_seq, row_index) > ($6, $7::bigint))
ORDER BY
    archive_seq,
    row_index
LIMIT $8

-- name: rejections_descending
-- As rejections_ascending, from the end.
SELECT
    archive_seq,
    row_index,
    ticker,
    session,
    reasons,
    row_text
FROM projection.rejection
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::date IS NULL OR session >= $2)
    AND ($3::date IS NULL OR session <= $3)
    AND ($4::text IS NULL OR $4 = ANY(reasons))
    AND ($5::bigint IS NULL OR archive_seq = $5)
    AND ($6::bigint IS NULL OR (archive_seq, row_index) < ($6, $7::bigint))
ORDER BY
    archive_seq DESC,
    row_index DESC
LIMIT $8

-- name: is_asked_symbol
-- Whether bars were asked for of a ticker, or came of it. $1 ticker
SELECT EXISTS (SELECT FROM projection.symbol_status WHERE ticker = $1)

-- name: is_symbol_with_splits
-- $1 ticker
SELECT EXISTS (SELECT FROM projection.split WHERE ticker = $1)

-- name: payload_facts
-- What the archive knows of a payload, without its body. $1 archive_seq
SELECT
    archive_seq,
    run_id,
    source,
    endpoint,
    request,
    ticker,
    from_date,
    to_date,
    fetched_at,
    http_status,
    transfer,
    body_bytes,
    octet_length(body) AS stored_bytes,
    body_sha256,
    headers
FROM archive.payload
WHERE archive_seq = $1

-- name: is_symbol_with_rejections
-- $1 ticker
SELECT EXISTS (SELECT FROM projection.rejection WHERE ticker = $1)

-- name: is_symbol_with_dividends
-- $1 ticker
SELECT EXISTS (SELECT FROM projection.dividend WHERE ticker = $1)
