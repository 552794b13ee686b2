-- Queries of flat files, for the ingest room.

-- name: whole_market_answers
-- Answers with rows about one session of the whole market, whoever gave them, in commit order.
-- $1 sources, $2 assessor, $3 first session, $4 last session
SELECT
    payload.source,
    payload.from_date AS session,
    payload.fetched_at
FROM archive.payload
JOIN archive.assessment
    ON assessment.archive_seq = payload.archive_seq
    AND assessment.assessor = $2
WHERE payload.source = ANY($1::text[])
    AND payload.endpoint = 'grouped'
    AND payload.from_date = payload.to_date
    AND payload.from_date BETWEEN $3 AND $4
    AND assessment.outcome = 'answer'
ORDER BY payload.archive_seq
