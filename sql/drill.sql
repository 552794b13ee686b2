-- Queries of ops/backup/restore.py, drill.py and what they share with a backup.

-- name: is_projected
-- Whether there is a live projection, or one that came before it.
SELECT to_regnamespace('projection') IS NOT NULL OR to_regnamespace('projection_previous') IS NOT NULL

-- name: is_warehouse
SELECT to_regclass('archive.payload') IS NOT NULL

-- name: count_bars
SELECT coalesce(sum(bars), 0)::bigint
FROM projection.symbol_status

-- name: restore_key
-- $1 key id, $2 name, $3 SHA-256 of the key, $4 requests per minute, $5 when it was made, $6 when it was revoked
INSERT INTO access.api_key (key_id, name, secret_sha256, per_minute, created_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING

-- name: take_drill_lock
-- One drill of a database at a time; held by the session.
SELECT pg_try_advisory_lock(hashtextextended('warehouse.drill', 0))

-- name: take_restore_lock
-- One restore into a database at a time; held by the session.
SELECT pg_try_advisory_lock(hashtextextended('warehouse.restore', 0))

-- name: may_make_databases
-- To migrate a new database takes making roles, or to be a member of each already: a superuser is never wanting.
SELECT rolsuper
FROM pg_roles
WHERE rolname = current_user

-- name: scratch_prefix
-- How the names of this database's scratch databases begin.
SELECT 'warehouse_drill_' || oid || '_'
FROM pg_database
WHERE datname = current_database()

-- name: databases_named
-- $1 how their names begin
SELECT datname
FROM pg_database
WHERE starts_with(datname, $1)

-- name: create_database_statement
-- $1 name
SELECT format('CREATE DATABASE %I', $1::text)

-- name: drop_database_statement
-- $1 name
SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1::text)
