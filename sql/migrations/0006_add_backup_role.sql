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
    -- Asked of the table, by which this session hears of a role that another has made just now.
    IF NOT EXISTS (
        SELECT
        FROM pg_auth_members AS granted
        JOIN pg_roles AS member
            ON member.oid = granted.member
        JOIN pg_roles AS role
            ON role.oid = granted.roleid
        WHERE member.rolname = 'warehouse_backup'
            AND role.rolname = 'warehouse_read'
    ) THEN
        BEGIN
            GRANT warehouse_read TO warehouse_backup;
        EXCEPTION
            WHEN unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'warehouse_backup', 'USAGE') THEN
        GRANT warehouse_backup TO CURRENT_USER;
    END IF;
END $$;

GRANT INSERT ON archive.run, archive.seal TO warehouse_backup;
GRANT SELECT ON access.api_key TO warehouse_backup;
