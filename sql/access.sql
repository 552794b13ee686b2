-- Keys of the API: making, listing and revoking them, and what a server needs to check them.

-- name: keys_in_force
-- In the role of readers.
SELECT
    key_id,
    secret_sha256,
    per_minute
FROM access.api_key
WHERE revoked_at IS NULL

-- name: any_key_in_force
SELECT EXISTS (SELECT FROM access.api_key WHERE revoked_at IS NULL)

-- name: add_key
-- $1 key id, $2 name, $3 SHA-256 of the key, $4 requests per minute, $5 when
INSERT INTO access.api_key (key_id, name, secret_sha256, per_minute, created_at)
VALUES ($1, $2, $3, $4, $5)

-- name: list_keys
SELECT
    key_id,
    name,
    per_minute,
    created_at,
    revoked_at
FROM access.api_key
ORDER BY created_at, key_id

-- name: revoke_key
-- $1 key id or name, $2 when. A name is never of the form of an id.
UPDATE access.api_key
SET revoked_at = greatest($2, created_at)
WHERE (key_id = $1 OR name = $1)
    AND revoked_at IS NULL
RETURNING
    key_id,
    name,
    per_minute,
    created_at,
    revoked_at
