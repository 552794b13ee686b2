-- Queries of ops/compose: the logins of the jobs, and what is left to everybody else. All as the database's owner.

-- name: take_logins_lock
SELECT pg_advisory_xact_lock(hashtextextended('warehouse.logins', 0))

-- name: not_of_ours
-- What a role has that a login of ours never has; no row where there is no role of that name.
-- $1 the role's name, $2 the one role that it may be a member of
SELECT array_remove(
    ARRAY[
        CASE WHEN login.rolsuper THEN 'is a superuser' END,
        CASE WHEN login.rolcreaterole THEN 'may create roles' END,
        CASE WHEN login.rolcreatedb THEN 'may create databases' END,
        CASE WHEN login.rolreplication THEN 'may replicate' END,
        CASE WHEN login.rolbypassrls THEN 'passes row security by' END,
        CASE WHEN 'o' = ANY (held.kinds) THEN 'owns something' END,
        CASE WHEN 'a' = ANY (held.kinds) THEN 'was granted something itself' END
    ] || ARRAY(
        SELECT 'is a member of ' || pg_roles.rolname
        FROM pg_auth_members
        JOIN pg_roles ON pg_roles.oid = pg_auth_members.roleid
        WHERE pg_auth_members.member = login.oid
            AND pg_roles.rolname <> $2
        ORDER BY pg_roles.rolname
    ),
    NULL
) AS reasons
FROM pg_roles AS login
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT pg_shdepend.deptype::text) AS kinds
    FROM pg_shdepend
    WHERE pg_shdepend.refclassid = 'pg_authid'::regclass
        AND pg_shdepend.refobjid = login.oid
) AS held
WHERE login.rolname = $1

-- name: name_login
-- For make_login, in the same transaction: a DO block takes no parameters. A server that logs those of statements has the
-- verifier in its log, and never the password. $1 the login's name, $2 its one role, $3 its password as a SCRAM verifier
SELECT
    set_config('warehouse.login', $1, true),
    set_config('warehouse.login_role', $2, true),
    set_config('warehouse.login_verifier', $3, true)

-- name: make_login
-- It inherits, since what a command looks at before it takes on its role (is the database migrated?) its role may see.
DO $$
DECLARE
    login text := current_setting('warehouse.login');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
        EXECUTE format('CREATE ROLE %I', login);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN INHERIT PASSWORD %L', login, current_setting('warehouse.login_verifier'));
    IF NOT EXISTS (
        SELECT
        FROM pg_auth_members
        WHERE member = (SELECT oid FROM pg_roles WHERE rolname = login)
            AND roleid = (SELECT oid FROM pg_roles WHERE rolname = current_setting('warehouse.login_role'))
    ) THEN
        EXECUTE format('GRANT %I TO %I', current_setting('warehouse.login_role'), login);
    END IF;
END $$

-- name: close_database
-- Only the roles of the warehouse (and so their members) may connect; only the projector makes temporary tables.
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO warehouse_ingest, warehouse_project, warehouse_read, warehouse_access',
        current_database()
    );
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO warehouse_project', current_database());
END $$

-- name: close_public_schema
REVOKE CREATE ON SCHEMA public FROM PUBLIC

-- name: close_functions
-- What else anybody may leave in a database: large objects, and jobs of TimescaleDB. Where the owner is no superuser
-- these functions are not the owner's, and stay as they are.
DO $$
DECLARE
    open_to_all regprocedure;
BEGIN
    FOR open_to_all IN
        SELECT pg_proc.oid
        FROM pg_proc
        WHERE pg_has_role(pg_proc.proowner, 'USAGE')
            AND (
                (
                    pg_proc.pronamespace = 'pg_catalog'::regnamespace
                    AND pg_proc.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
                )
                OR (
                    pg_proc.proname = 'add_job'
                    AND EXISTS (
                        SELECT
                        FROM pg_depend
                        JOIN pg_extension ON pg_extension.oid = pg_depend.refobjid
                        WHERE pg_depend.classid = 'pg_proc'::regclass
                            AND pg_depend.objid = pg_proc.oid
                            AND pg_depend.deptype = 'e'
                            AND pg_extension.extname = 'timescaledb'
                    )
                )
            )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', open_to_all);
    END LOOP;
END $$
