-- Queries of the overview: coverage, quality, runs, generations.
--
-- Each reads one table of the projection only, so that no swap can come between two of its tables (api/generation.py).

-- name: frozen_calendar
-- The calendar of the live generation as one row: each column is its values' binary form, end to end.
SELECT
    string_agg(date_send(session), '') AS sessions,
    string_agg(int8send(extract(epoch FROM opens_at)::bigint), '') AS opens,
    string_agg(int8send(extract(epoch FROM closes_at)::bigint), '') AS closes
FROM (
    SELECT
        session,
        opens_at,
        closes_at
    FROM projection.session
    ORDER BY session
) AS ordered

-- name: span_of
-- From when until when a symbol has bars. $1 ticker
SELECT
    first_session,
    last_session
FROM projection.symbol_status
WHERE ticker = $1

-- name: every_symbol
-- What there is of every symbol, in byte order.
SELECT
    ticker,
    first_session,
    last_session,
    bars,
    validated_bars,
    gaps_flagged,
    volume_anomalies,
    revisions,
    rejections
FROM projection.symbol_status
ORDER BY ticker

-- name: every_listing
-- What the vendor says of every ticker now; of a ticker that several securities had, the one to go by comes last.
SELECT
    ticker,
    name,
    type,
    primary_exchange,
    active
FROM projection.listing
WHERE known_to IS NULL
ORDER BY
    active,
    delisted_on NULLS FIRST,
    known_from

-- name: status_of
-- What there is of one symbol. $1 ticker
SELECT
    first_session,
    last_session,
    bars,
    validated_bars,
    gaps_flagged,
    volume_anomalies,
    revisions,
    rejections,
    last_archive_seq
FROM projection.symbol_status
WHERE ticker = $1

-- name: mean_quality_of
-- $1 ticker
SELECT avg(quality_score)
FROM projection.bar
WHERE ticker = $1

-- name: count_splits_of
-- Of those believed now. $1 ticker
SELECT count(*)
FROM projection.split
WHERE ticker = $1
    AND known_to IS NULL

-- name: count_dividends_of
-- Of those believed now. $1 ticker
SELECT count(*)
FROM projection.dividend
WHERE ticker = $1
    AND known_to IS NULL

-- name: payload_fetched_at
-- $1 archive_seq
SELECT fetched_at
FROM archive.payload
WHERE archive_seq = $1

-- name: bars_by_verdict
-- How many bars of each session have each verdict, and since when the first of them is known.
-- $1 first session, $2 last session
SELECT
    session,
    failed_rules,
    validated,
    count(*) AS bars,
    sum(quality_score) AS quality,
    min(known_from) AS known_from
FROM projection.bar
WHERE session BETWEEN $1 AND $2
GROUP BY
    session,
    failed_rules,
    validated

-- name: bars_by_month
-- How many bars of each ticker in each of some months on end, the first of which is 1, and how many of them are flagged:
-- not validated, or failed one of some rules. $1 tickers, $2 first days of the months in order, $3 first day after them,
-- $4 bits of the rules
SELECT
    ticker,
    width_bucket(session, $2::date[]) AS month,
    count(*) AS bars,
    count(*) FILTER (WHERE NOT validated OR failed_rules & $4::bigint <> 0) AS flagged
FROM projection.bar
WHERE ticker = ANY($1::text[])
    AND session >= ($2::date[])[1]
    AND session < $3
GROUP BY
    ticker,
    month

-- name: rejections_by_session
-- $1 first session, $2 last session
SELECT
    session,
    count(*) AS found
FROM projection.rejection
WHERE session BETWEEN $1 AND $2
GROUP BY session

-- name: restatements_by_session
-- $1 first session, $2 last session
SELECT
    session,
    count(*) AS found
FROM projection.bar_revision
WHERE session BETWEEN $1 AND $2
GROUP BY session

-- name: restatements_by_day
-- On which day, in New York, the vendor was found to have restated bars. $1 first day, $2 last day
SELECT
    (known_to AT TIME ZONE 'America/New_York')::date AS day,
    count(*) AS bars,
    count(DISTINCT ticker) AS symbols,
    min(session) AS first_session,
    max(session) AS last_session
FROM projection.bar_revision
WHERE (known_to AT TIME ZONE 'America/New_York')::date BETWEEN $1 AND $2
GROUP BY day
ORDER BY day

-- name: rules_in_order
SELECT
    bit,
    name
FROM projection.rule
ORDER BY bit

-- name: spans_of_symbols
-- From when until when each symbol has bars, as binary COPY has dates, end to end; NULL without any.
SELECT
    string_agg(date_send(first_session), '' ORDER BY ticker) AS first_sessions,
    string_agg(date_send(last_session), '' ORDER BY ticker) AS last_sessions
FROM projection.symbol_status
WHERE bars > 0

-- name: runs_before
-- Runs in order of their start, the newest first, each with its end where it has one. The lists that a run leaves, of
-- what it asked for and how each part of it ended, may be long: they are counted here. $1 kind or NULL for all,
-- $2 and $3 start and id of the run before the first, or NULL, $4 how many at most, $5 the only one, or NULL
SELECT
    started.run_id,
    started.kind,
    started.at AS started_at,
    finished.at AS finished_at,
    started.detail - 'requests' AS plan,
    finished.detail - 'outcomes' AS result,
    CASE
        WHEN jsonb_typeof(started.detail -> 'requests') = 'array' THEN jsonb_array_length(started.detail -> 'requests')
    END AS listed,
    steps.failed,
    steps.found_rows
FROM archive.run AS started
LEFT JOIN archive.run AS finished
    ON finished.run_id = started.run_id
    AND finished.phase = 'finished'
LEFT JOIN LATERAL (
    SELECT
        count(DISTINCT step ->> 'subject') FILTER (WHERE step ->> 'ending' IN ('failed', 'not_tried')) AS failed,
        coalesce(sum((step -> 'row_count')::bigint) FILTER (WHERE jsonb_typeof(step -> 'row_count') = 'number'), 0)
            AS found_rows
    FROM jsonb_array_elements(
        CASE WHEN jsonb_typeof(finished.detail -> 'outcomes') = 'array' THEN finished.detail -> 'outcomes' END
    ) AS step
) AS steps ON jsonb_typeof(finished.detail -> 'outcomes') = 'array'
WHERE started.phase = 'started'
    AND ($1::text IS NULL OR started.kind = $1)
    AND ($2::timestamptz IS NULL OR (started.at, started.run_id) < ($2, $3::uuid))
    AND ($5::uuid IS NULL OR started.run_id = $5)
ORDER BY
    started.at DESC,
    started.run_id DESC
LIMIT $4

-- name: newest_run_under_lock
-- The run that started last of those kinds that hold the lock for as long as they live. $1 kinds
SELECT run_id
FROM archive.run
WHERE phase = 'started'
    AND kind = ANY($1::text[])
ORDER BY at DESC
LIMIT 1

-- name: schemas_of_generations
-- Where a generation stands or is being built, and whether it may be read yet.
SELECT
    nspname AS name,
    has_schema_privilege(oid, 'USAGE') AS is_readable
FROM pg_namespace
WHERE nspname IN ('projection', 'projection_next', 'projection_previous')

-- name: live_generation_facts
SELECT
    generation_id,
    ruleset_hash,
    calendar_version,
    checkpoint,
    content_hash,
    provenance_hash,
    shape,
    built_at,
    caught_up_at
FROM projection.generation

-- name: next_generation_facts
SELECT
    generation_id,
    ruleset_hash,
    calendar_version,
    checkpoint,
    content_hash,
    provenance_hash,
    shape,
    built_at,
    caught_up_at
FROM projection_next.generation

-- name: previous_generation_facts
SELECT
    generation_id,
    ruleset_hash,
    calendar_version,
    checkpoint,
    content_hash,
    provenance_hash,
    shape,
    built_at,
    caught_up_at
FROM projection_previous.generation
