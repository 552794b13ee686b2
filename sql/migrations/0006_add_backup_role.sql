-- Who makes backups: reads everything, the hashes of keys too, and notes in the ledger what it did.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse_backup') THEN
        BEGIN
            CREATE ROLE warehouse_backup NOLOGIN;
        EXCEPTION
            -- Another database of this cluster is being migrated at the same moment.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('warehouse_backup', 'warehouse_read', 'USAGE') THEN
        GRANT warehouse_read TO warehouse_backup;
    END IF;
    IF NOT pg_has_role(current_user, 'warehouse_backup', 'USAGE') THEN
        GRANT warehouse_backup TO CURRENT_USER;
    END IF;
END $$;

GRANT INSERT ON archive.run, archive.seal TO warehouse_backup;
GRANT SELECT ON access.api_key TO warehouse_backup;
