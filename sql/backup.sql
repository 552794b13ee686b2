-- Queries of ops/backup: what a backup is told by the database besides payloads and rows of the projection.

-- name: all_keys
-- Keys of the API as they are stored: hashes, and no secret.
SELECT
    key_id,
    name,
    secret_sha256,
    per_minute,
    created_at,
    revoked_at
FROM access.api_key
ORDER BY created_at, key_id

-- name: payloads_to_store
-- What payloads take as they are stored. $1 after this archive_seq
SELECT
    count(*) AS payloads,
    coalesce(sum(octet_length(body)), 0)::bigint AS stored_bytes
FROM archive.payload
WHERE archive_seq > $1

-- name: sealed_head
-- The last payload that a seal is of, 0 for none.
SELECT coalesce(max(to_seq), 0)
FROM archive.seal

-- name: engine
-- Which server this is, and which TimescaleDB is in it, NULL for none.
SELECT
    current_setting('server_version') AS server_version,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescale_version

-- name: last_backup_into
-- When a backup into a folder last went well, NULL for never. $1 folder
SELECT max(at)
FROM archive.run
WHERE kind = 'backup'
    AND phase = 'finished'
    AND detail -> 'passed' = 'true'::jsonb
    AND detail ->> 'folder' = $1
