-- The only way into the archive.
--
-- The lock is taken before the number is drawn and held until commit, so archive_seq is commit order: a reader that
-- has seen number n has seen every number below it. Under the lock the next number is the highest plus one, so there
-- are no gaps either, and a missing number is evidence.

CREATE FUNCTION archive.lock_append() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$ SELECT pg_advisory_xact_lock(hashtextextended('archive.append', 0)) $$;

CREATE FUNCTION archive.append_payload(
    fetched_at timestamptz,
    source text,
    endpoint text,
    request text,
    ticker text,
    from_date date,
    to_date date,
    http_status smallint,
    headers jsonb,
    transfer text,
    body bytea,
    body_bytes bigint,
    body_sha256 bytea,
    run_id uuid
) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    next_seq bigint;
BEGIN
    PERFORM archive.lock_append();
    SELECT coalesce(max(payload.archive_seq), 0) + 1 INTO next_seq FROM archive.payload;
    INSERT INTO archive.payload (
        archive_seq,
        fetched_at,
        source,
        endpoint,
        request,
        ticker,
        from_date,
        to_date,
        http_status,
        headers,
        transfer,
        body,
        body_bytes,
        body_sha256,
        run_id
    ) VALUES (
        next_seq,
        append_payload.fetched_at,
        append_payload.source,
        append_payload.endpoint,
        append_payload.request,
        append_payload.ticker,
        append_payload.from_date,
        append_payload.to_date,
        append_payload.http_status,
        append_payload.headers,
        append_payload.transfer,
        append_payload.body,
        append_payload.body_bytes,
        append_payload.body_sha256,
        append_payload.run_id
    );
    RETURN next_seq;
END $$;
