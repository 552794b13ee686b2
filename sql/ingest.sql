-- Queries of the ingest room.

-- name: lock_ingest
-- One run at a time in this database; held until the session gives it up or ends.
SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))

-- name: wait_shortly
-- A run that was just killed holds the lock until the server notices.
SET LOCAL lock_timeout = '2s'

-- name: unlock_ingest
SELECT pg_advisory_unlock(hashtextextended('warehouse.ingest', 0))

-- name: fetched_since
-- When responses of the last moments came. $1 source, $2 after this instant
SELECT fetched_at
FROM archive.payload
WHERE source = $1
    AND fetched_at > $2

-- name: unassessed
-- Payloads that this version of the assessor has not judged, in commit order: a run was killed after it archived
-- them, or the assessor is new. $1 source, $2 assessor
SELECT payload.archive_seq
FROM archive.payload
LEFT JOIN archive.assessment
    ON assessment.archive_seq = payload.archive_seq
    AND assessment.assessor = $2
WHERE payload.source = $1
    AND assessment.archive_seq IS NULL
ORDER BY payload.archive_seq

-- name: record_assessment
-- Derived from the payload, so whoever comes first may record it.
-- $1 archive_seq, $2 assessor, $3 outcome, $4 row_count, $5 first_session, $6 last_session, $7 otc, $8 next_request,
-- $9 message
INSERT INTO archive.assessment (
    archive_seq,
    assessor,
    outcome,
    row_count,
    first_session,
    last_session,
    otc,
    next_request,
    message
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (archive_seq, assessor) DO NOTHING

-- name: answered
-- What the archive has an answer for, in commit order. $1 sources, $2 assessor, $3 outcomes that settle a request
SELECT
    payload.endpoint,
    payload.request,
    payload.ticker,
    payload.from_date,
    payload.to_date,
    payload.fetched_at,
    payload.run_id,
    assessment.outcome,
    assessment.row_count,
    assessment.first_session,
    assessment.last_session,
    assessment.otc,
    assessment.next_request,
    run.detail ->> 'vendor_plan' AS vendor_plan
FROM archive.payload
JOIN archive.assessment
    ON assessment.archive_seq = payload.archive_seq
    AND assessment.assessor = $2
LEFT JOIN archive.run
    ON run.run_id = payload.run_id
    AND run.phase = 'started'
WHERE payload.source = ANY($1::text[])
    AND assessment.outcome = ANY($3::text[])
ORDER BY payload.archive_seq

-- name: first_server
-- What the vendor that answered first calls itself: an archive holds the answers of one market only.
SELECT header ->> 1
FROM archive.payload
CROSS JOIN LATERAL jsonb_array_elements(headers) AS header
WHERE archive_seq = 1
    AND lower(header ->> 0) = 'server'
