-- Queries of api/watch: what tells whether the warehouse is well.
--
-- Each reads one table of the projection only, so that no swap can come between two of its tables (api/generation.py).

-- name: answers
SELECT 1

-- name: projection_shape
SELECT shape
FROM projection.generation

-- name: closed_sessions
-- The newest session that had closed at an instant, and the one before it. $1 instant, $2 the date of the instant
SELECT
    session,
    closes_at
FROM projection.session
WHERE session <= $2
    AND closes_at <= $1
ORDER BY session DESC
LIMIT 2

-- name: sessions_behind
-- $1 a session, $2 a later one
SELECT count(*)
FROM projection.session
WHERE session > $1
    AND session <= $2

-- name: last_known_session
SELECT max(session)
FROM projection.session

-- name: sessions_upto
-- In order, as binary COPY has dates, end to end. $1 the last one
SELECT string_agg(date_send(session), '' ORDER BY session) AS sessions
FROM projection.session
WHERE session <= $1

-- name: symbols_at
-- How many symbols have a bar of a session or a later one, and how many of the session before. $1 session, $2 the one
-- before
SELECT
    count(*) FILTER (WHERE last_session >= $1) AS there,
    count(*) FILTER (WHERE last_session >= $2) AS traded_before,
    max(last_session) AS newest
FROM projection.symbol_status

-- name: quality_totals
-- The whole projection in one row; from symbol_status, since counting bars would read them all.
SELECT
    count(*) FILTER (WHERE bars > 0) AS symbols,
    coalesce(sum(bars), 0)::bigint AS bars,
    coalesce(sum(validated_bars), 0)::bigint AS validated_bars,
    coalesce(sum(gaps_flagged), 0)::bigint AS gaps_flagged,
    coalesce(sum(volume_anomalies), 0)::bigint AS volume_anomalies,
    coalesce(sum(revisions), 0)::bigint AS revisions,
    max(last_session) AS newest,
    string_agg(date_send(first_session), '' ORDER BY ticker) FILTER (WHERE bars > 0) AS first_sessions,
    string_agg(date_send(last_session), '' ORDER BY ticker) FILTER (WHERE bars > 0) AS last_sessions
FROM projection.symbol_status

-- name: count_rejections
SELECT count(*)
FROM projection.rejection

-- name: oldest_after
-- When the first payload after a checkpoint was fetched. $1 checkpoint
SELECT fetched_at
FROM archive.payload
WHERE archive_seq > $1
ORDER BY archive_seq
LIMIT 1

-- name: bytes_between
-- What payloads hold, unpacked and as stored, without reading bodies. $1 after this archive_seq, $2 up to this one
SELECT
    coalesce(sum(body_bytes), 0)::bigint AS body_bytes,
    coalesce(sum(octet_length(body)), 0)::bigint AS stored_bytes
FROM archive.payload
WHERE archive_seq > $1
    AND archive_seq <= $2

-- name: archive_disk_bytes
SELECT pg_total_relation_size('archive.payload')

-- name: last_runs
-- Of each kind the run that started last, and the one that finished last with how it ended; no row for a kind that
-- never ran. A run failed that was stopped, that says it did not pass, or that has steps without an answer which the
-- next run would ask for again. What is dated after $2 is left out. $1 kinds, $2 now
SELECT
    wanted.kind,
    newest.started_at,
    newest.finished_at IS NOT NULL AS has_finished,
    ended.started_at AS ended_started_at,
    ended.finished_at AS ended_at,
    ended.detail ->> 'stopped_by' IS NULL
        AND coalesce(ended.detail -> 'passed' <> 'false'::jsonb, true)
        AND NOT (
            coalesce(ended.detail -> 'left_to_ask' <> '0'::jsonb, true)
            AND jsonb_path_exists(ended.detail, '$.outcomes[*].ending ? (@ == "failed" || @ == "not_tried")')
        ) AS succeeded
FROM unnest($1::text[]) AS wanted (kind)
CROSS JOIN LATERAL (
    SELECT
        started.at AS started_at,
        finished.at AS finished_at
    FROM archive.run AS started
    LEFT JOIN archive.run AS finished
        ON finished.run_id = started.run_id
        AND finished.phase = 'finished'
    WHERE started.phase = 'started'
        AND started.kind = wanted.kind
        AND started.at <= $2
    ORDER BY started.at DESC
    LIMIT 1
) AS newest
LEFT JOIN LATERAL (
    SELECT
        started.at AS started_at,
        finished.at AS finished_at,
        finished.detail
    FROM archive.run AS finished
    JOIN archive.run AS started
        ON started.run_id = finished.run_id
        AND started.phase = 'started'
    WHERE finished.phase = 'finished'
        AND finished.kind = wanted.kind
        AND finished.at <= $2
    ORDER BY finished.at DESC
    LIMIT 1
) AS ended ON true

-- name: last_safeguards
-- Of each kind the run that started last with its result, and when one last ended that says it passed; no row for a
-- kind that never ran, nor for what is dated after $2. $1 kinds, $2 now
SELECT
    wanted.kind,
    newest.started_at,
    newest.finished_at,
    newest.folder,
    newest.result,
    passed.at AS passed_at
FROM unnest($1::text[]) AS wanted (kind)
CROSS JOIN LATERAL (
    SELECT
        started.at AS started_at,
        finished.at AS finished_at,
        started.detail ->> 'folder' AS folder,
        finished.detail AS result
    FROM archive.run AS started
    LEFT JOIN archive.run AS finished
        ON finished.run_id = started.run_id
        AND finished.phase = 'finished'
    WHERE started.phase = 'started'
        AND started.kind = wanted.kind
        AND started.at <= $2
    ORDER BY started.at DESC
    LIMIT 1
) AS newest
LEFT JOIN LATERAL (
    SELECT finished.at
    FROM archive.run AS finished
    WHERE finished.phase = 'finished'
        AND finished.kind = wanted.kind
        AND finished.at <= $2
        AND finished.detail -> 'passed' = 'true'::jsonb
    ORDER BY finished.at DESC
    LIMIT 1
) AS passed ON true
