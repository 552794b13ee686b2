-- Queries of the archive room.

-- name: append_payload
-- $1 fetched_at, $2 source, $3 endpoint, $4 request, $5 ticker, $6 from_date, $7 to_date, $8 http_status,
-- $9 headers, $10 transfer, $11 body (zstd), $12 body_bytes, $13 body_sha256, $14 run_id
SELECT archive.append_payload($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: lock_append
-- No payload is appended from here to the end of the transaction.
SELECT archive.lock_append()

-- name: archive_head
-- The highest archive_seq, 0 for an empty archive.
SELECT coalesce(max(archive_seq), 0)
FROM archive.payload

-- name: body_bytes_upto
-- $1 up to this archive_seq
SELECT coalesce(sum(body_bytes), 0)::bigint
FROM archive.payload
WHERE archive_seq <= $1

-- name: payloads_after
-- Payloads in commit order. $1 after this archive_seq, $2 up to this one, $3 how many at most
SELECT
    archive_seq,
    fetched_at,
    source,
    endpoint,
    request,
    ticker,
    from_date,
    to_date,
    http_status,
    headers,
    transfer,
    body,
    body_bytes,
    body_sha256,
    run_id,
    chain_hash
FROM archive.payload
WHERE archive_seq > $1
    AND archive_seq <= $2
ORDER BY archive_seq
LIMIT $3

-- name: payload_facts_after
-- What the hash chain covers of payloads, in commit order, without reading bodies.
-- $1 after this archive_seq, $2 up to this one, $3 how many at most
SELECT
    archive_seq,
    fetched_at,
    source,
    endpoint,
    request,
    ticker,
    from_date,
    to_date,
    http_status,
    headers,
    transfer,
    body_bytes,
    body_sha256,
    run_id,
    chain_hash
FROM archive.payload
WHERE archive_seq > $1
    AND archive_seq <= $2
ORDER BY archive_seq
LIMIT $3

-- name: payloads_about
-- Payloads that may speak of a session, in commit order: of one ticker, or of the whole market; and those named, for
-- rows that came without having been asked for. $1 session, $2 ticker or NULL for all, $3 archive_seqs
SELECT
    archive_seq,
    fetched_at,
    source,
    endpoint,
    request,
    ticker,
    from_date,
    to_date,
    http_status,
    headers,
    transfer,
    body,
    body_bytes,
    body_sha256,
    run_id,
    chain_hash
FROM archive.payload
WHERE archive_seq = ANY($3::bigint[])
    OR (
        from_date <= $1
        AND to_date >= $1
        AND ($2::text IS NULL OR ticker IS NULL OR ticker = $2)
    )
ORDER BY archive_seq

-- name: list_payloads
-- The newest payloads, without bodies. $1 ticker or NULL, $2 endpoint or NULL, $3 how many at most
SELECT
    archive_seq,
    fetched_at,
    source,
    endpoint,
    request,
    http_status,
    transfer,
    body_bytes,
    octet_length(body) AS stored_bytes
FROM archive.payload
WHERE ($1::text IS NULL OR ticker = $1)
    AND ($2::text IS NULL OR endpoint = $2)
ORDER BY archive_seq DESC
LIMIT $3

-- name: archive_stats
SELECT
    count(*) AS payloads,
    coalesce(sum(body_bytes), 0)::bigint AS body_bytes,
    coalesce(sum(octet_length(body)), 0)::bigint AS stored_bytes,
    pg_total_relation_size('archive.payload') AS disk_bytes,
    min(fetched_at) AS first_fetched_at,
    max(fetched_at) AS last_fetched_at
FROM archive.payload

-- name: archive_stats_by_endpoint
SELECT
    source,
    endpoint,
    http_status,
    count(*) AS payloads,
    sum(body_bytes)::bigint AS body_bytes,
    sum(octet_length(body))::bigint AS stored_bytes
FROM archive.payload
GROUP BY
    source,
    endpoint,
    http_status
ORDER BY
    source,
    endpoint,
    http_status

-- name: seals
-- What the chain was, oldest first.
SELECT
    to_seq,
    chain_hash,
    sealed_at
FROM archive.seal
ORDER BY to_seq

-- name: seal_head
-- Nothing to do where the head is sealed already. $1 sealed_at
INSERT INTO archive.seal (to_seq, chain_hash, sealed_at)
SELECT
    archive_seq,
    chain_hash,
    $1
FROM archive.payload
ORDER BY archive_seq DESC
LIMIT 1
ON CONFLICT DO NOTHING
RETURNING to_seq

-- name: record_run
-- $1 run_id, $2 phase, $3 at, $4 kind, $5 detail
INSERT INTO archive.run (run_id, phase, at, kind, detail)
VALUES ($1, $2, $3, $4, $5)

-- name: runs
-- The run that started last first, each with its end where it has one. $1 kinds or NULL for all, $2 how many at most
SELECT
    started.run_id,
    started.kind,
    started.at AS started_at,
    finished.at AS finished_at,
    started.detail AS plan,
    finished.detail AS result
FROM archive.run AS started
LEFT JOIN archive.run AS finished
    ON finished.run_id = started.run_id
    AND finished.phase = 'finished'
WHERE started.phase = 'started'
    AND ($1::text[] IS NULL OR started.kind = ANY($1))
ORDER BY
    started.at DESC,
    started.run_id
LIMIT $2

-- name: runs_between
-- Runs by id, the one that started last first. $1 first run_id, $2 last run_id, inclusive
SELECT
    started.run_id,
    started.kind,
    started.at AS started_at,
    finished.at AS finished_at,
    started.detail AS plan,
    finished.detail AS result
FROM archive.run AS started
LEFT JOIN archive.run AS finished
    ON finished.run_id = started.run_id
    AND finished.phase = 'finished'
WHERE started.phase = 'started'
    AND started.run_id BETWEEN $1 AND $2
ORDER BY
    started.at DESC,
    started.run_id

-- name: lock_is_held
-- Whether a session of this database holds the advisory lock of that name. $1 name
SELECT EXISTS (
    SELECT
    FROM pg_locks AS held
    JOIN pg_database AS here
        ON here.oid = held.database
    CROSS JOIN hashtextextended($1::text, 0) AS lock_key
    WHERE here.datname = current_database()
        AND held.locktype = 'advisory'
        AND held.granted
        AND held.objsubid = 1
        AND held.classid::bigint = (lock_key >> 32) & 4294967295
        AND held.objid::bigint = lock_key & 4294967295
)

-- name: chain_at
-- $1 archive_seq
SELECT chain_hash
FROM archive.payload
WHERE archive_seq = $1

-- name: all_runs
SELECT
    run_id,
    phase,
    at,
    kind,
    detail
FROM archive.run
ORDER BY
    at,
    phase DESC

-- name: all_rulesets
SELECT
    ruleset_hash,
    body,
    recorded_at
FROM archive.ruleset
ORDER BY recorded_at

-- name: restore_run
-- $1 run_id, $2 phase, $3 at, $4 kind, $5 detail
INSERT INTO archive.run (run_id, phase, at, kind, detail)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING

-- name: restore_seal
-- $1 to_seq, $2 chain_hash, $3 sealed_at
INSERT INTO archive.seal (to_seq, chain_hash, sealed_at)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING

-- name: restore_ruleset
-- $1 hash, $2 body, $3 recorded_at
INSERT INTO archive.ruleset (ruleset_hash, body, recorded_at)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
