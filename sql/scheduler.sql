-- Queries of the service that fetches every night, `ingest serve`.

-- name: wait_shortly
-- A service that was just killed holds the lock until the server notices.
SET LOCAL lock_timeout = '1s'

-- name: lock_scheduler
-- One service in this database; held until its session ends. Whoever asks whether there is one looks for this lock.
SELECT pg_advisory_lock(hashtextextended('warehouse.scheduler', 0))

-- name: act_as_scheduler
-- In a session of its own, with no more rights than ingest has. Within a minute the server knows that the machine at
-- the other end is gone, and gives the lock up.
SELECT
    set_config('role', 'warehouse_ingest', false),
    set_config('application_name', 'warehouse_scheduler', false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false)

-- name: heartbeat
SELECT 1
