-- Queries of the project room. Tables of a generation are named without their schema: the search path says which
-- generation is meant.

-- name: take_projector_lock
-- One projector at a time; held by the session.
SELECT pg_advisory_lock(hashtextextended('warehouse.project', 0))

-- name: wait_shortly
-- A projector that was just killed holds the lock until the server notices.
SET LOCAL lock_timeout = '2s'

-- name: use_schema
-- $1 schema
SELECT set_config('search_path', $1, false)

-- name: schema_exists
-- $1 schema
SELECT to_regnamespace($1::text) IS NOT NULL

-- name: drop_next
DROP SCHEMA IF EXISTS projection_next CASCADE

-- name: create_next
CREATE SCHEMA projection_next

-- name: add_bar_key
ALTER TABLE bar ADD CONSTRAINT bar_key PRIMARY KEY (ticker, session)

-- name: add_session_index
CREATE INDEX bar_of_session ON bar (session)

-- name: analyze_generation
ANALYZE bar (ticker, session), bar_revision, rejection, split, dividend, override, listing, ticker_change, symbol_status

-- name: let_readers_in
GRANT USAGE ON SCHEMA projection_next TO warehouse_read, warehouse_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA projection_next TO warehouse_read, warehouse_ingest

-- name: drop_previous
DROP SCHEMA IF EXISTS projection_previous CASCADE

-- name: keep_previous
ALTER SCHEMA projection RENAME TO projection_previous

-- name: promote_next
ALTER SCHEMA projection_next RENAME TO projection

-- name: exchange_with_previous
-- Three renames; what stands under the third name meanwhile is seen by nobody.
ALTER SCHEMA projection RENAME TO projection_next;
ALTER SCHEMA projection_previous RENAME TO projection;
ALTER SCHEMA projection_next RENAME TO projection_previous

-- name: read_generation
SELECT
    generation_id,
    shape,
    ruleset_hash,
    calendar_version,
    checkpoint,
    content_hash,
    provenance_hash,
    built_at,
    caught_up_at
FROM generation

-- name: insert_generation
-- $1 generation_id, $2 shape, $3 ruleset_hash, $4 calendar_version, $5 checkpoint, $6 content_hash,
-- $7 provenance_hash, $8 built_at
INSERT INTO generation (
    generation_id,
    shape,
    ruleset_hash,
    calendar_version,
    checkpoint,
    content_hash,
    provenance_hash,
    built_at,
    caught_up_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)

-- name: advance_generation
-- $1 checkpoint, $2 content_hash, $3 provenance_hash, $4 caught_up_at
UPDATE generation
SET checkpoint = $1,
    content_hash = $2,
    provenance_hash = $3,
    caught_up_at = $4

-- name: insert_rule
-- $1 bit, $2 name, $3 penalty, $4 group
INSERT INTO rule (bit, name, penalty, penalty_group)
VALUES ($1, $2, $3, $4)

-- name: insert_sessions
-- $1 days since 1970-01-01, $2 opens and $3 closes in seconds since then, UTC
INSERT INTO session (session, opens_at, closes_at)
SELECT
    date '1970-01-01' + day,
    to_timestamp(opens_at),
    to_timestamp(closes_at)
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS known (day, opens_at, closes_at)

-- name: record_ruleset
-- $1 hash, $2 body
INSERT INTO archive.ruleset (ruleset_hash, body)
VALUES ($1, $2)
ON CONFLICT DO NOTHING

-- name: read_ruleset
-- $1 hash
SELECT body
FROM archive.ruleset
WHERE ruleset_hash = $1

-- name: bars_since
-- For each ticker its bars from a session on, and those before it that a verdict may look back at: each column as the
-- values of all of them end to end, as binary COPY has them. $1 tickers, $2 sessions, $3 how many bars before
SELECT
    touched.ticker,
    string_agg(date_send(found.session), '') AS session,
    string_agg(float8send(found.open), '') AS open,
    string_agg(float8send(found.high), '') AS high,
    string_agg(float8send(found.low), '') AS low,
    string_agg(float8send(found.close), '') AS close,
    string_agg(float8send(found.volume), '') AS volume,
    string_agg(float8send(coalesce(found.vwap, 'NaN')), '') AS vwap,
    string_agg(float8send(coalesce(found.trades, 'NaN')), '') AS trades,
    string_agg(float8send(coalesce(found.gap, 'NaN')), '') AS gap,
    string_agg(float8send(coalesce(found.volume_ratio, 'NaN')), '') AS volume_ratio,
    string_agg(int8send(found.failed_rules), '') AS failed_rules,
    string_agg(float8send(found.quality_score), '') AS quality_score,
    string_agg(boolsend(found.validated), '') AS validated,
    string_agg(int8send(found.archive_seq), '') AS archive_seq,
    string_agg(timestamptz_send(found.known_from), '') AS known_from
FROM unnest($1::text[], $2::date[]) AS touched (ticker, since)
CROSS JOIN LATERAL (
    SELECT bar.*
    FROM bar
    WHERE bar.ticker = touched.ticker COLLATE "C"
        AND bar.session >= touched.since
    UNION ALL
    (
        SELECT bar.*
        FROM bar
        WHERE bar.ticker = touched.ticker COLLATE "C"
            AND bar.session < touched.since
        ORDER BY bar.session DESC
        LIMIT $3
    )
) AS found
GROUP BY touched.ticker

-- name: create_incoming
-- Bars to be written over what is there; gone with the transaction.
CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS
SELECT bar.*
FROM bar
WITH NO DATA

-- name: upsert_incoming
INSERT INTO bar
SELECT incoming.*
FROM incoming
ON CONFLICT (ticker, session) DO UPDATE
SET open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    vwap = excluded.vwap,
    trades = excluded.trades,
    gap = excluded.gap,
    volume_ratio = excluded.volume_ratio,
    failed_rules = excluded.failed_rules,
    quality_score = excluded.quality_score,
    validated = excluded.validated,
    archive_seq = excluded.archive_seq,
    known_from = excluded.known_from

-- name: insert_rejection
INSERT INTO rejection (
    archive_seq,
    row_index,
    ticker,
    session,
    reasons,
    row_text
)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: add_to_symbol_status
-- Counts are added to what is there. $1 ticker, $2 first session, $3 last session, $4 bars, $5 validated bars,
-- $6 gaps flagged, $7 volume anomalies, $8 revisions, $9 rejections, $10 last archive_seq
INSERT INTO symbol_status AS status (
    ticker,
    first_session,
    last_session,
    bars,
    validated_bars,
    gaps_flagged,
    volume_anomalies,
    revisions,
    rejections,
    last_archive_seq
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (ticker) DO UPDATE
SET first_session = least(status.first_session, excluded.first_session),
    last_session = greatest(status.last_session, excluded.last_session),
    bars = status.bars + excluded.bars,
    validated_bars = status.validated_bars + excluded.validated_bars,
    gaps_flagged = status.gaps_flagged + excluded.gaps_flagged,
    volume_anomalies = status.volume_anomalies + excluded.volume_anomalies,
    revisions = status.revisions + excluded.revisions,
    rejections = status.rejections + excluded.rejections,
    last_archive_seq = greatest(status.last_archive_seq, excluded.last_archive_seq)

-- name: totals
SELECT
    count(*) FILTER (WHERE bars > 0) AS symbols,
    coalesce(sum(bars), 0)::bigint AS bars,
    coalesce(sum(validated_bars), 0)::bigint AS validated_bars,
    coalesce(sum(gaps_flagged), 0)::bigint AS gaps_flagged,
    coalesce(sum(volume_anomalies), 0)::bigint AS volume_anomalies,
    coalesce(sum(revisions), 0)::bigint AS revisions,
    (SELECT count(*) FROM rejection) AS rejections,
    (SELECT count(*) FROM split WHERE known_to IS NULL) AS splits,
    (SELECT count(*) FROM dividend WHERE known_to IS NULL) AS dividends,
    min(first_session) AS first_session,
    max(last_session) AS last_session
FROM symbol_status
