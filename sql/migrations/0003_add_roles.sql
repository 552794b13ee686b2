-- Three roles, each with what its job needs. Nobody may UPDATE, DELETE or TRUNCATE in the archive, and nobody may
-- INSERT a payload but through append_payload, so its lock cannot be bypassed.

DO $$
DECLARE
    job text;
BEGIN
    FOREACH job IN ARRAY ARRAY['warehouse_ingest', 'warehouse_project', 'warehouse_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = job) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', job);
            EXCEPTION
                -- Another database of this cluster is being migrated at the same moment.
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, job, 'USAGE') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', job);
        END IF;
    END LOOP;
END $$;

REVOKE ALL ON SCHEMA archive FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA archive FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA archive FROM PUBLIC;

GRANT USAGE ON SCHEMA archive TO warehouse_ingest, warehouse_project, warehouse_read;
GRANT SELECT ON ALL TABLES IN SCHEMA archive TO warehouse_ingest, warehouse_project, warehouse_read;
GRANT SELECT ON public.warehouse_migration TO warehouse_ingest, warehouse_project, warehouse_read;

GRANT EXECUTE ON FUNCTION archive.append_payload TO warehouse_ingest;
GRANT INSERT ON archive.assessment, archive.run, archive.seal, archive.ruleset TO warehouse_ingest;

-- The projector holds appends still for the instant in which a rebuilt generation goes live.
GRANT EXECUTE ON FUNCTION archive.lock_append TO warehouse_project;
GRANT INSERT ON archive.ruleset, archive.run TO warehouse_project;
