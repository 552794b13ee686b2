-- Bars of weeks and months as continuous aggregates of TimescaleDB, and reading them. In the same terms, and added up
-- in the same order, as project/timeframe.py has them: equal to the last bit.

-- name: make_aggregates
-- Over the table bar that the search path finds; empty until they are refreshed. A week begins on Monday, the default
-- origin of time_bucket. What is too large or too small to be added up is NaN: PostgreSQL refuses to compute beyond a
-- double. The price weighted by volume is left as its two sums, since dividing them may fail too.
DO $$
DECLARE
    timeframe record;
BEGIN
    FOR timeframe IN
        SELECT made.name, made.width
        FROM (VALUES ('bar_1w', '1 week'), ('bar_1mo', '1 month')) AS made (name, width)
    LOOP
        EXECUTE format(
            $view$
            CREATE MATERIALIZED VIEW %I
            WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
            SELECT
                ticker,
                public.time_bucket(%L, session) AS session,
                public.first(open, session) AS open,
                max(high) AS high,
                min(low) AS low,
                public.last(close, session) AS close,
                sum(
                    CASE
                        WHEN volume = 0 OR abs(volume) BETWEEN '1e-150'::float8 AND '1e150'::float8 THEN volume
                        ELSE 'NaN'
                    END
                    ORDER BY session
                ) AS volume,
                sum(
                    CASE
                        WHEN vwap = 0 OR abs(vwap) BETWEEN '1e-150'::float8 AND '1e150'::float8 THEN vwap
                        ELSE 'NaN'
                    END
                    * CASE
                        WHEN volume = 0 OR abs(volume) BETWEEN '1e-150'::float8 AND '1e150'::float8 THEN volume
                        ELSE 'NaN'
                    END
                    ORDER BY session
                ) FILTER (WHERE vwap IS NOT NULL) AS priced_turnover,
                sum(
                    CASE
                        WHEN volume = 0 OR abs(volume) BETWEEN '1e-150'::float8 AND '1e150'::float8 THEN volume
                        ELSE 'NaN'
                    END
                    ORDER BY session
                ) FILTER (WHERE vwap IS NOT NULL) AS priced_volume,
                sum(
                    CASE
                        WHEN trades = 0 OR abs(trades) BETWEEN '1e-150'::float8 AND '1e150'::float8 THEN trades
                        ELSE 'NaN'
                    END
                    ORDER BY session
                ) FILTER (WHERE trades IS NOT NULL) AS trades,
                bit_or(failed_rules) AS failed_rules,
                min(quality_score) AS quality_score,
                bool_and(validated) AS validated,
                count(*) AS session_count
            FROM bar
            GROUP BY 1, 2
            WITH NO DATA
            $view$,
            timeframe.name,
            timeframe.width
        );
    END LOOP;
END
$$

-- name: aggregates_are_made
SELECT to_regclass('bar_1w') IS NOT NULL

-- name: notice_a_client_that_is_gone
-- A projector that is killed leaves its session, and so its lock, only when the server notices: else after the refresh.
SELECT set_config('client_connection_check_interval', '200ms', false)

-- name: refresh_week
-- Only what changed since the last time. Not within a transaction.
CALL public.refresh_continuous_aggregate('bar_1w', NULL, NULL)

-- name: refresh_month
CALL public.refresh_continuous_aggregate('bar_1mo', NULL, NULL)

-- name: aggregate_checkpoint
SELECT checkpoint
FROM aggregate_state

-- name: set_aggregate_checkpoint
-- $1 checkpoint
INSERT INTO aggregate_state (checkpoint)
VALUES ($1)
ON CONFLICT (one_row) DO UPDATE
SET checkpoint = excluded.checkpoint

-- name: live_aggregate_checkpoint
SELECT checkpoint
FROM projection.aggregate_state

-- name: weeks_between
-- One row; each column is its values' binary form, end to end, NULL without bars.
-- $1 ticker, $2 first label, $3 last label
SELECT
    string_agg(date_send(session), '') AS session,
    string_agg(float8send(open), '') AS open,
    string_agg(float8send(high), '') AS high,
    string_agg(float8send(low), '') AS low,
    string_agg(float8send(close), '') AS close,
    string_agg(float8send(volume), '') AS volume,
    string_agg(float8send(coalesce(priced_turnover, 'NaN')), '') AS priced_turnover,
    string_agg(float8send(coalesce(priced_volume, 'NaN')), '') AS priced_volume,
    string_agg(float8send(coalesce(trades, 'NaN')), '') AS trades,
    string_agg(int8send(failed_rules), '') AS failed_rules,
    string_agg(float8send(quality_score), '') AS quality_score,
    string_agg(boolsend(validated), '') AS validated,
    string_agg(int8send(session_count), '') AS session_count
FROM (
    SELECT
        session,
        open,
        high,
        low,
        close,
        volume,
        priced_turnover,
        priced_volume,
        trades,
        failed_rules,
        quality_score,
        validated,
        session_count
    FROM projection.bar_1w
    WHERE ticker = $1
        AND session >= $2
        AND session <= $3
    ORDER BY session
) AS ordered

-- name: months_between
-- As weeks_between.
-- $1 ticker, $2 first label, $3 last label
SELECT
    string_agg(date_send(session), '') AS session,
    string_agg(float8send(open), '') AS open,
    string_agg(float8send(high), '') AS high,
    string_agg(float8send(low), '') AS low,
    string_agg(float8send(close), '') AS close,
    string_agg(float8send(volume), '') AS volume,
    string_agg(float8send(coalesce(priced_turnover, 'NaN')), '') AS priced_turnover,
    string_agg(float8send(coalesce(priced_volume, 'NaN')), '') AS priced_volume,
    string_agg(float8send(coalesce(trades, 'NaN')), '') AS trades,
    string_agg(int8send(failed_rules), '') AS failed_rules,
    string_agg(float8send(quality_score), '') AS quality_score,
    string_agg(boolsend(validated), '') AS validated,
    string_agg(int8send(session_count), '') AS session_count
FROM (
    SELECT
        session,
        open,
        high,
        low,
        close,
        volume,
        priced_turnover,
        priced_volume,
        trades,
        failed_rules,
        quality_score,
        validated,
        session_count
    FROM projection.bar_1mo
    WHERE ticker = $1
        AND session >= $2
        AND session <= $3
    ORDER BY session
) AS ordered
