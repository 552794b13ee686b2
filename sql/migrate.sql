-- Queries of sql/migrate.py.

-- name: take_migration_lock
-- Held to the end of the transaction, so that two processes never apply the same step.
SELECT pg_advisory_xact_lock(hashtextextended('warehouse.migrate', 0))

-- name: create_ledger
CREATE TABLE IF NOT EXISTS public.warehouse_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)

-- name: has_ledger
SELECT to_regclass('public.warehouse_migration') IS NOT NULL

-- name: has_archive
-- Whether the table of payloads is there, also for who may not look into its schema.
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'payload' AND relnamespace = to_regnamespace('archive'))

-- name: applied_migrations
SELECT
    number,
    name,
    checksum
FROM public.warehouse_migration
ORDER BY number

-- name: record_migration
-- $1 number, $2 file name, $3 SHA-256 of the text
INSERT INTO public.warehouse_migration (number, name, checksum)
VALUES ($1, $2, $3)

-- name: projector_may_create
-- A grant on the database itself is neither copied from a template nor restored from a dump, so it is no migration.
SELECT has_database_privilege('warehouse_project', current_database(), 'CREATE')

-- name: let_projector_create
DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO warehouse_project', current_database());
END $$
