-- Queries of sql/timescale.py.

-- name: timescale_can_be_created
-- By the database's owner or a superuser; other logins take the database as it is. A server that has the library loaded
-- has its settings, which anybody may see, unlike the list of what is loaded.
SELECT EXISTS (
    SELECT
    FROM pg_available_extensions
    WHERE name = 'timescaledb'
        AND installed_version IS NULL
        AND EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers')
        AND pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
)

-- name: take_extension_lock
-- IF NOT EXISTS alone does not keep two processes from creating it at once.
SELECT pg_advisory_xact_lock(hashtextextended('warehouse.migrate', 0))

-- name: create_timescale
CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public

-- name: timescale_version
SELECT extversion
FROM pg_extension
WHERE extname = 'timescaledb'

-- name: make_hypertable
-- One-year chunks: one-day chunks load 70 times slower and cannot be dropped without raised lock limits.
-- $1 the table, as the search path finds it
SELECT public.create_hypertable(
    $1::text::regclass,
    public.by_range('session', INTERVAL '1 year'),
    create_default_indexes => false
)

-- name: timescale_is_community
-- Its own licence, not Apache's only: with the columnstore, jobs and continuous aggregates.
SELECT EXISTS (
    SELECT
    FROM pg_extension
    WHERE extname = 'timescaledb'
        AND current_setting('timescaledb.license', true) = 'timescale'
)

-- name: let_jobs_run
-- A job of TimescaleDB runs as the owner of its table, who must be let log in. CONNECTION LIMIT 0 lets in none but such
-- jobs: whoever connects as warehouse_project is refused, and the projector, who logs in by another name, is not meant.
-- A job that cannot have a lock soon gives up until its next turn, since all readers wait behind one who waits for such.
-- A login of that name which somebody made otherwise is left as it is, and so is one that we may not alter.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse_project' AND NOT rolcanlogin) THEN
        ALTER ROLE warehouse_project SET lock_timeout = '250ms';
        ALTER ROLE warehouse_project LOGIN CONNECTION LIMIT 0;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
    -- Another database of this cluster does so at the same moment.
    WHEN internal_error THEN NULL;
END $$

-- name: enable_columnstore
-- A series is a run of one ticker's bars in order, so it is read from one batch a chunk.
ALTER TABLE bar SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'ticker',
    timescaledb.compress_orderby = 'session'
)

-- name: lacks_policy
-- Whether the hypertable bar that the search path finds has a columnstore and nobody who fills it.
SELECT EXISTS (
    SELECT
    FROM timescaledb_information.hypertables AS known
    WHERE known.hypertable_schema = current_schema()
        AND known.hypertable_name = 'bar'
        AND known.compression_enabled
        AND NOT EXISTS (
            SELECT
            FROM timescaledb_information.jobs AS job
            WHERE job.hypertable_schema = known.hypertable_schema
                AND job.hypertable_name = known.hypertable_name
                AND job.proc_name = 'policy_compression'
        )
)

-- name: add_policy
-- It begins at once, and comes again for what was restated meanwhile, or could not be locked.
SELECT public.add_compression_policy('bar', INTERVAL '1 year', schedule_interval => INTERVAL '1 hour')

-- name: remove_policy
-- A job that is running is cancelled. $1 the table, as text; nothing is done where there is none of the name
SELECT public.remove_compression_policy(named.table_name, if_exists => true)
FROM to_regclass($1) AS named (table_name)
WHERE named.table_name IS NOT NULL

-- name: prepare_upserts
-- To the end of the transaction. A restated session of the whole market touches every row of its year's chunk, which is
-- more than the extension lets pass by itself. The lock, on every chunk, is the one that writing takes, but before
-- reading takes a weaker one: a job that compresses a chunk lets readers in until it is done, and who has read there
-- and then wants to write would wait for it while it waits for him.
SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0;
LOCK TABLE bar IN ROW EXCLUSIVE MODE

-- name: generation_bytes
-- Of the tables and indexes of the schema that the search path finds: of plain tables, as PostgreSQL counts them.
SELECT coalesce(sum(pg_total_relation_size(class.oid)), 0)::bigint
FROM pg_class AS class
WHERE class.relnamespace = current_schema()::regnamespace
    AND class.relkind IN ('r', 'm')

-- name: chunk_bytes
-- What generation_bytes does not see: the chunks of bar, and of the bars of weeks and months.
SELECT coalesce(sum(public.hypertable_size(format('%I.%I', found.schema_name, found.table_name)::regclass)), 0)::bigint
FROM (
    SELECT
        hypertable_schema AS schema_name,
        hypertable_name AS table_name
    FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema()
    UNION ALL
    SELECT
        materialization_hypertable_schema AS schema_name,
        materialization_hypertable_name AS table_name
    FROM timescaledb_information.continuous_aggregates
    WHERE view_schema = current_schema()
) AS found

-- name: columnstore_bytes
-- Of the chunks of bar that are compressed: what they took when they were, and what they take.
SELECT
    stats.total_chunks AS chunks,
    stats.number_compressed_chunks AS compressed_chunks,
    coalesce(stats.before_compression_total_bytes, 0)::bigint AS bytes_before_compression,
    coalesce(stats.after_compression_total_bytes, 0)::bigint AS bytes_compressed,
    round(
        stats.before_compression_total_bytes::numeric / nullif(stats.after_compression_total_bytes, 0), 2
    )::float8 AS compression_ratio
FROM timescaledb_information.hypertables AS known
CROSS JOIN LATERAL public.hypertable_compression_stats(
    format('%I.%I', known.hypertable_schema, known.hypertable_name)::regclass
) AS stats
WHERE known.hypertable_schema = current_schema()
    AND known.hypertable_name = 'bar'
    AND known.compression_enabled
