-- Who may ask the API: keys, of which only a hash is kept. A role of its own makes and revokes them; readers see what
-- it takes to check one, and can change nothing.

CREATE SCHEMA access;

CREATE TABLE access.api_key (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    per_minute integer NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT key_id_is_12_hex_digits CHECK (key_id ~ '^[0-9a-f]{12}$'),
    CONSTRAINT name_is_one_plain_word CHECK (name ~ '^[A-Za-z0-9._@+-]{1,64}$'),
    CONSTRAINT name_is_no_key_id CHECK (name !~ '^[0-9a-f]{12}$'),
    CONSTRAINT secret_sha256_is_32_bytes CHECK (octet_length(secret_sha256) = 32),
    CONSTRAINT per_minute_not_negative CHECK (per_minute >= 0),
    CONSTRAINT revoked_at_not_before_created_at CHECK (revoked_at >= created_at)
);

CREATE UNIQUE INDEX api_key_in_force_by_name ON access.api_key (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE access.api_key IS 'The keys of the API, revoked ones too; a key itself is shown once, when it is made, and is nowhere here.';
COMMENT ON COLUMN access.api_key.key_id IS 'The part of the key that is no secret: mdw_<key_id>_<secret>.';
COMMENT ON COLUMN access.api_key.name IS 'What a person calls it; a name may be used again when its key is revoked.';
COMMENT ON COLUMN access.api_key.secret_sha256 IS 'SHA-256 of the whole key. A slow hash would add nothing: the secret is 256 random bits, which cannot be guessed from a hash.';
COMMENT ON COLUMN access.api_key.per_minute IS 'Requests per minute it may make; 0 sets no limit.';
COMMENT ON COLUMN access.api_key.revoked_at IS 'Since when it opens nothing; NULL while it is in force.';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'warehouse_access') THEN
        BEGIN
            CREATE ROLE warehouse_access NOLOGIN;
        EXCEPTION
            -- Another database of this cluster is being migrated at the same moment.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'warehouse_access', 'USAGE') THEN
        GRANT warehouse_access TO CURRENT_USER;
    END IF;
END $$;

REVOKE ALL ON SCHEMA access FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA access FROM PUBLIC;

GRANT USAGE ON SCHEMA access TO warehouse_access, warehouse_read;
GRANT SELECT, INSERT ON access.api_key TO warehouse_access;
GRANT UPDATE (revoked_at) ON access.api_key TO warehouse_access;
GRANT SELECT (key_id, secret_sha256, per_minute, revoked_at) ON access.api_key TO warehouse_read;
