-- Queries of ops/watch: what tells whether the warehouse is looked after, and whether its database is as it should be.

-- name: warehouse_since
-- When the first payload came or, where there is none, when the warehouse was made.
SELECT coalesce(
    (SELECT fetched_at FROM archive.payload ORDER BY archive_seq LIMIT 1),
    (SELECT min(applied_at) FROM public.warehouse_migration)
)

-- name: sessions_of
-- How many sessions of this database work for a job, besides this one; anybody may see so much. $1 application_name
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database()
    AND application_name = $1
    AND pid <> pg_backend_pid()

-- name: hold_scrub_lock
-- Shared, since two scrubs do not hinder each other; held by the session.
SELECT pg_advisory_lock_shared(hashtextextended('warehouse.scrub', 0))

-- name: server_facts
SELECT
    current_user AS login,
    current_setting('session_replication_role') AS replication_role,
    pg_database_size(current_database()) AS database_bytes,
    current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS is_durable,
    inet_server_addr() IS NULL OR inet_server_addr() IN ('127.0.0.1'::inet, '::1'::inet) AS is_local

-- name: server_clock
SELECT clock_timestamp()

-- name: data_directory
-- NULL for a login that may not know.
SELECT setting
FROM pg_settings
WHERE name = 'data_directory'

-- name: workers
-- What the server has of worker processes, what TimescaleDB may take of them, and for how many databases it takes one.
SELECT
    current_setting('max_worker_processes')::integer AS processes,
    current_setting('timescaledb.max_background_workers', true)::integer AS of_timescale,
    (SELECT count(*) FROM pg_database WHERE datallowconn) AS databases

-- name: failed_jobs
-- TimescaleDB's background jobs whose last run failed; one that went well since is mended.
SELECT
    stats.job_id,
    jobs.application_name AS name,
    stats.total_failures
FROM timescaledb_information.job_stats AS stats
JOIN timescaledb_information.jobs AS jobs ON jobs.job_id = stats.job_id
WHERE stats.last_run_status = 'Failed'
ORDER BY stats.job_id

-- name: existing_roles
-- $1 names
SELECT rolname
FROM pg_roles
WHERE rolname = ANY($1::text[])

-- name: let_change
-- Which of these roles may change or remove rows of the archive. $1 roles that exist
SELECT
    role.name AS role,
    class.relname AS table_name
FROM unnest($1::text[]) AS role (name)
CROSS JOIN pg_class AS class
WHERE class.relnamespace = 'archive'::regnamespace
    AND class.relkind IN ('r', 'p')
    AND (
        has_table_privilege(role.name, class.oid, 'UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(role.name, class.oid, 'UPDATE')
    )
ORDER BY
    role.name,
    class.relname

-- name: unguarded_tables
-- Tables of the archive without a trigger in force that refuses UPDATE, DELETE and TRUNCATE: 2 is BEFORE, 8 DELETE,
-- 16 UPDATE, 32 TRUNCATE.
SELECT class.relname AS table_name
FROM pg_class AS class
WHERE class.relnamespace = 'archive'::regnamespace
    AND class.relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT
        FROM pg_trigger AS guard
        JOIN pg_proc AS refusal
            ON refusal.oid = guard.tgfoid
            AND refusal.proname = 'refuse_change'
            AND refusal.pronamespace = 'archive'::regnamespace
        WHERE guard.tgrelid = class.oid
            AND guard.tgenabled IN ('O', 'A')
            AND guard.tgtype::integer & 58 = 58
    )
ORDER BY class.relname

-- name: newest_seal
-- What the newest seal says the chain was, and what the payload it was taken of says.
SELECT
    seal.to_seq,
    seal.chain_hash = payload.chain_hash AS agrees,
    seal.sealed_at
FROM archive.seal
LEFT JOIN archive.payload ON payload.archive_seq = seal.to_seq
ORDER BY seal.to_seq DESC
LIMIT 1

-- name: chain_hash_of
-- $1 archive_seq
SELECT chain_hash
FROM archive.payload
WHERE archive_seq = $1

-- name: take_role
-- For the rest of the transaction. $1 role
SELECT set_config('role', $1, true)
