-- The archive: what was asked, what came back, and what ran. Rows are added and never change.

CREATE SCHEMA archive;

CREATE TABLE archive.payload (
    archive_seq bigint PRIMARY KEY,
    fetched_at timestamptz NOT NULL,
    source text NOT NULL,
    endpoint text NOT NULL,
    request text NOT NULL,
    ticker text COLLATE "C",
    from_date date,
    to_date date,
    http_status smallint NOT NULL,
    headers jsonb NOT NULL,
    transfer text NOT NULL,
    body bytea NOT NULL,
    body_bytes bigint NOT NULL,
    body_sha256 bytea NOT NULL,
    run_id uuid NOT NULL,
    chain_hash bytea NOT NULL,
    CONSTRAINT archive_seq_is_positive CHECK (archive_seq > 0),
    CONSTRAINT body_bytes_not_negative CHECK (body_bytes >= 0),
    CONSTRAINT body_sha256_is_32_bytes CHECK (octet_length(body_sha256) = 32),
    CONSTRAINT chain_hash_is_32_bytes CHECK (octet_length(chain_hash) = 32),
    CONSTRAINT from_date_not_after_to_date CHECK (from_date <= to_date),
    CONSTRAINT request_holds_no_key CHECK (request !~* '[?&]apikey='),
    CONSTRAINT transfer_is_known CHECK (transfer IN ('complete', 'cut_short', 'broken_encoding'))
);

-- Bodies are compressed before they come here; TOAST must not try again.
ALTER TABLE archive.payload ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX payload_of_ticker ON archive.payload (ticker, from_date, to_date);
CREATE INDEX payload_of_endpoint ON archive.payload (source, endpoint, from_date);

COMMENT ON TABLE archive.payload IS 'Every HTTP response of a vendor, errors too, as it came.';
COMMENT ON COLUMN archive.payload.archive_seq IS 'Position in commit order, from 1, without gaps; set by append_payload.';
COMMENT ON COLUMN archive.payload.fetched_at IS 'When the last byte of the response had come; set by ingest.';
COMMENT ON COLUMN archive.payload.source IS 'The vendor whose wire format the body has, such as polygon.';
COMMENT ON COLUMN archive.payload.endpoint IS 'What was asked for, in our vocabulary (archive/payload.py).';
COMMENT ON COLUMN archive.payload.request IS 'Path and sorted query as sent, without host and without any secret.';
COMMENT ON COLUMN archive.payload.ticker IS 'The one ticker asked for, case-sensitive; NULL where the request names none or several.';
COMMENT ON COLUMN archive.payload.from_date IS 'First session asked for; NULL where the endpoint has no dates.';
COMMENT ON COLUMN archive.payload.to_date IS 'Last session asked for, inclusive.';
COMMENT ON COLUMN archive.payload.http_status IS 'The status of the response.';
COMMENT ON COLUMN archive.payload.headers IS 'The response headers as an array of [name, value], without Set-Cookie.';
COMMENT ON COLUMN archive.payload.transfer IS 'complete; cut_short: the connection ended early; broken_encoding: the bytes did not decompress and are kept as they came.';
COMMENT ON COLUMN archive.payload.body IS 'The response body after HTTP content decoding, as one zstd frame.';
COMMENT ON COLUMN archive.payload.body_bytes IS 'Length of the body before zstd.';
COMMENT ON COLUMN archive.payload.body_sha256 IS 'SHA-256 of the body before zstd; checked on every read.';
COMMENT ON COLUMN archive.payload.run_id IS 'The run that fetched it.';

COMMENT ON COLUMN archive.payload.chain_hash IS 'SHA-256 over the chain hash of the payload before and every other column of this one, the body by its body_sha256 (archive/chain.py); set by append_payload.';

CREATE TABLE archive.seal (
    to_seq bigint PRIMARY KEY REFERENCES archive.payload,
    chain_hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT chain_hash_is_32_bytes CHECK (octet_length(chain_hash) = 32)
);

COMMENT ON TABLE archive.seal IS 'What the chain was at to_seq: a second place that an alteration of payloads must agree with.';

CREATE TABLE archive.assessment (
    archive_seq bigint NOT NULL REFERENCES archive.payload,
    assessor smallint NOT NULL,
    outcome text NOT NULL,
    row_count integer NOT NULL,
    first_session date,
    last_session date,
    next_request text,
    message text,
    PRIMARY KEY (archive_seq, assessor),
    CONSTRAINT row_count_not_negative CHECK (row_count >= 0)
);

COMMENT ON TABLE archive.assessment IS 'What ingest understood of a payload after it was archived: is it an answer, and to what. Derivable from the payload; kept so that a plan need not read bodies.';
COMMENT ON COLUMN archive.assessment.assessor IS 'Version of the code that judged; a newer one adds rows.';
COMMENT ON COLUMN archive.assessment.outcome IS 'The vocabulary of ingest/assess.py.';
COMMENT ON COLUMN archive.assessment.next_request IS 'Path and query of the next page, NULL on the last.';
COMMENT ON COLUMN archive.assessment.message IS 'What the vendor said, where it refused.';

CREATE TABLE archive.run (
    run_id uuid NOT NULL,
    phase text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    detail jsonb NOT NULL,
    PRIMARY KEY (run_id, phase),
    CONSTRAINT phase_is_known CHECK (phase IN ('started', 'finished'))
);

CREATE INDEX run_by_time ON archive.run (at);

COMMENT ON TABLE archive.run IS 'What each run meant to do (started) and did (finished): two rows, so that a killed run shows.';
COMMENT ON COLUMN archive.run.kind IS 'backfill, nightly, ...';
COMMENT ON COLUMN archive.run.detail IS 'started: the plan; finished: requests, bytes, retries, waits, outcome per symbol.';

CREATE TABLE archive.ruleset (
    ruleset_hash text PRIMARY KEY,
    body text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE archive.ruleset IS 'The full text of every ruleset that ever judged a bar, under its content hash.';

CREATE FUNCTION archive.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: the archive is append-only', TG_OP, TG_RELID::regclass
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER payload_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON archive.payload
    FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();
CREATE TRIGGER seal_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON archive.seal
    FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();
CREATE TRIGGER assessment_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON archive.assessment
    FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();
CREATE TRIGGER run_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON archive.run
    FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();
CREATE TRIGGER ruleset_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON archive.ruleset
    FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();
