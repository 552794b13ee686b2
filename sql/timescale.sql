-- Queries of sql/timescale.py.

-- name: timescale_can_be_created
SELECT EXISTS (
    SELECT
    FROM pg_available_extensions
    WHERE name = 'timescaledb'
        AND installed_version IS NULL
        AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'
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

-- name: timescale_can_aggregate
SELECT EXISTS (
    SELECT
    FROM pg_extension
    WHERE extname = 'timescaledb'
        AND current_setting('timescaledb.license', true) = 'timescale'
)
