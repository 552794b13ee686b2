-- Queries about rulesets: every one that was ever used stands in the archive, the generations name theirs.

-- name: recorded_rulesets
SELECT
    ruleset_hash,
    body,
    recorded_at
FROM archive.ruleset
ORDER BY
    recorded_at,
    ruleset_hash

-- name: table_exists
-- $1 table with its schema
SELECT to_regclass($1) IS NOT NULL

-- name: live_ruleset
SELECT ruleset_hash
FROM projection.generation

-- name: previous_ruleset
SELECT ruleset_hash
FROM projection_previous.generation
