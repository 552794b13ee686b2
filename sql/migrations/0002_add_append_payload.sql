-- The only way into the archive.
--
-- The lock is taken before the number is drawn and held until commit, so archive_seq is commit order: a reader that
-- has seen number n has seen every number below it. Under the lock the next number is the highest plus one, so there
-- are no gaps either, and a missing number is evidence.

CREATE FUNCTION archive.lock_append() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$ SELECT pg_advisory_xact_lock(hashtextextended('archive.append', 0)) $$;

-- A value of a payload as it goes into the chain: its length, so that no two rows can spell the same text.
CREATE FUNCTION archive.chained(value text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(octet_length(value) || ':' || value, '-') $$;

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
    chain bytea;
BEGIN
    PERFORM archive.lock_append();
    SELECT payload.archive_seq + 1, payload.chain_hash
    INTO next_seq, chain
    FROM archive.payload
    ORDER BY payload.archive_seq DESC
    LIMIT 1;
    IF NOT FOUND THEN
        next_seq := 1;
        chain := decode(repeat('00', 32), 'hex');
    END IF;
    chain := sha256(chain || convert_to(
        archive.chained(next_seq::text)
        || archive.chained((extract(epoch FROM append_payload.fetched_at) * 1000000)::bigint::text)
        || archive.chained(append_payload.source)
        || archive.chained(append_payload.endpoint)
        || archive.chained(append_payload.request)
        || archive.chained(append_payload.ticker)
        || archive.chained(to_char(append_payload.from_date, 'YYYY-MM-DD'))
        || archive.chained(to_char(append_payload.to_date, 'YYYY-MM-DD'))
        || archive.chained(append_payload.http_status::text)
        || archive.chained(append_payload.headers::text)
        || archive.chained(append_payload.transfer)
        || archive.chained(append_payload.body_bytes::text)
        || archive.chained(encode(append_payload.body_sha256, 'hex'))
        || archive.chained(append_payload.run_id::text),
        'UTF8'
    ));
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
        run_id,
        chain_hash
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
        append_payload.run_id,
        chain
    );
    RETURN next_seq;
END $$;
