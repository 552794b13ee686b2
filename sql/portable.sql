-- Queries of project/portable.py: a generation into files and out of them again.

-- name: tables_of_generation
-- The tables of a generation and the statement that reads each whole: a hypertable's rows are in its chunks, which
-- COPY of the table itself passes over on some versions. Views, continuous aggregates too, are no tables.
-- $1 schema, $2 tables that are left out
SELECT
    pg_class.relname AS name,
    format('TABLE %I.%I', pg_namespace.nspname, pg_class.relname) AS every_row
FROM pg_class
JOIN pg_namespace
    ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = $1
    AND pg_class.relkind IN ('r', 'p')
    AND pg_class.relname <> ALL ($2::text[])
ORDER BY pg_class.relname
