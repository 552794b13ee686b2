-- Queries of the ops room.

-- name: archive_is_empty
SELECT NOT EXISTS (SELECT FROM archive.payload)

-- name: symbol_summary
-- One line a symbol with bars or rejections, with its newest close. $1 how many lines at most
SELECT
    status.ticker,
    status.first_session,
    status.last_session,
    status.bars,
    status.validated_bars,
    status.gaps_flagged,
    status.volume_anomalies,
    status.revisions,
    status.rejections,
    newest.close
FROM projection.symbol_status AS status
LEFT JOIN projection.bar AS newest
    ON newest.ticker = status.ticker
    AND newest.session = status.last_session
ORDER BY status.ticker
LIMIT $1

-- name: warehouse_summary
SELECT
    count(*) FILTER (WHERE bars > 0) AS symbols,
    coalesce(sum(bars), 0)::bigint AS bars,
    coalesce(sum(validated_bars), 0)::bigint AS validated_bars,
    coalesce(sum(gaps_flagged), 0)::bigint AS gaps_flagged,
    coalesce(sum(volume_anomalies), 0)::bigint AS volume_anomalies,
    coalesce(sum(revisions), 0)::bigint AS revisions,
    coalesce(sum(rejections), 0)::bigint AS rejections,
    (SELECT count(*) FROM projection.split WHERE known_to IS NULL) AS splits,
    (SELECT count(*) FROM projection.dividend WHERE known_to IS NULL) AS dividends,
    (SELECT count(*) FROM archive.payload) AS payloads,
    (SELECT coalesce(sum(body_bytes), 0)::bigint FROM archive.payload) AS body_bytes,
    (SELECT coalesce(sum(octet_length(body)), 0)::bigint FROM archive.payload) AS stored_bytes
FROM projection.symbol_status
