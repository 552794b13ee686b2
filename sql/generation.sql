-- The tables of one generation of the projection, made in the first schema of the search path.
--
-- A generation is disposable: it is filled from the archive and swapped in whole, so a change here is not a migration
-- but a rebuild; `generation.shape` is the SHA-256 of this file.

CREATE TABLE generation (
    generation_id uuid NOT NULL,
    shape text NOT NULL,
    ruleset_hash text NOT NULL,
    calendar_version text NOT NULL,
    checkpoint bigint NOT NULL,
    content_hash text NOT NULL,
    provenance_hash text NOT NULL,
    built_at timestamptz NOT NULL,
    caught_up_at timestamptz NOT NULL,
    one_row boolean PRIMARY KEY DEFAULT true,
    CONSTRAINT generation_has_one_row CHECK (one_row),
    CONSTRAINT checkpoint_not_negative CHECK (checkpoint >= 0)
);
COMMENT ON TABLE generation IS 'What this projection is a function of, and how far it has come. One row.';
COMMENT ON COLUMN generation.ruleset_hash IS 'The rules that judged every bar here; their text is in archive.ruleset.';
COMMENT ON COLUMN generation.checkpoint IS 'The last archive_seq that is fully projected.';
COMMENT ON COLUMN generation.content_hash IS 'Of what is believed of prices: bars with verdicts, splits, dividends, overrides. Sum of row hashes: equal content, equal hash, in any order.';
COMMENT ON COLUMN generation.provenance_hash IS 'Of every row with the payload it came from, revisions and rejections too.';

CREATE TABLE rule (
    bit smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    penalty double precision NOT NULL,
    penalty_group text,
    CONSTRAINT bit_fits_bigint CHECK (bit BETWEEN 0 AND 62),
    CONSTRAINT penalty_between_0_and_1 CHECK (penalty BETWEEN 0 AND 1)
);
COMMENT ON TABLE rule IS 'What each bit of bar.failed_rules means in this generation.';

CREATE TABLE session (
    session date PRIMARY KEY,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL
);
COMMENT ON TABLE session IS 'The exchange calendar, frozen at generation.calendar_version.';

CREATE TABLE bar (
    ticker text COLLATE "C" NOT NULL,
    session date NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    vwap double precision,
    trades double precision,
    gap double precision,
    volume_ratio double precision,
    failed_rules bigint NOT NULL,
    quality_score double precision NOT NULL,
    validated boolean NOT NULL,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL
);
-- The primary key (ticker, session) and the index on session are added when the first rows are in: loading without
-- them is faster.
COMMENT ON TABLE bar IS 'What we believe now of one ticker in one session, unadjusted, in USD per share and shares.';
COMMENT ON COLUMN bar.vwap IS 'Volume-weighted average price; NULL where the vendor sent none.';
COMMENT ON COLUMN bar.trades IS 'Number of trades; NULL where the vendor sent none.';
COMMENT ON COLUMN bar.gap IS 'open / expected open − 1, where the previous close is restated for splits and dividends of the session; NULL for the first bar and after a close that is not positive.';
COMMENT ON COLUMN bar.volume_ratio IS 'volume / trailing median, both restated for splits; NULL where too few sessions went before.';
COMMENT ON COLUMN bar.failed_rules IS 'One bit for each failed rule, see rule.bit.';
COMMENT ON COLUMN bar.quality_score IS '1 less the penalties of the failed rules, at least 0.';
COMMENT ON COLUMN bar.validated IS 'Whether the score reaches the ruleset''s threshold, or what a person decided in its place, see override.';
COMMENT ON COLUMN bar.archive_seq IS 'The payload that first said these values.';
COMMENT ON COLUMN bar.known_from IS 'When that payload was fetched.';

CREATE TABLE bar_revision (
    ticker text COLLATE "C" NOT NULL,
    session date NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    vwap double precision,
    trades double precision,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL,
    superseded_by bigint NOT NULL,
    PRIMARY KEY (ticker, session, archive_seq)
);
CREATE INDEX revision_by_time ON bar_revision (known_to, superseded_by, ticker, session);
COMMENT ON TABLE bar_revision IS 'Values that were believed from known_from until known_to, when a later payload restated them.';
COMMENT ON COLUMN bar_revision.superseded_by IS 'The payload that restated them.';

CREATE TABLE rejection (
    archive_seq bigint NOT NULL,
    row_index integer NOT NULL,
    ticker text COLLATE "C",
    session date,
    reasons text[] NOT NULL,
    row_text text NOT NULL,
    PRIMARY KEY (archive_seq, row_index),
    CONSTRAINT a_rejection_has_a_reason CHECK (cardinality(reasons) > 0)
);
CREATE INDEX rejection_of_ticker ON rejection (ticker, session);
COMMENT ON TABLE rejection IS 'Raw rows that cannot be a bar, a split or a dividend, with every reason.';
COMMENT ON COLUMN rejection.ticker IS 'As the row has it, control characters escaped as in JSON; NULL where it has none.';
COMMENT ON COLUMN rejection.session IS 'The New York date of the row; NULL where it has none.';
COMMENT ON COLUMN rejection.row_text IS 'The raw row as the payload has it.';

CREATE TABLE split (
    ticker text COLLATE "C" NOT NULL,
    vendor_id text NOT NULL,
    execution_date date NOT NULL,
    split_from double precision NOT NULL,
    split_to double precision NOT NULL,
    adjustment_type text,
    vendor_factor double precision,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    ended_by bigint,
    asked text,
    PRIMARY KEY (ticker, vendor_id, archive_seq),
    CONSTRAINT split_from_is_positive CHECK (split_from > 0),
    CONSTRAINT split_to_is_positive CHECK (split_to > 0)
);
CREATE INDEX split_answers ON split (asked) WHERE known_to IS NULL;
COMMENT ON TABLE split IS 'split_from old shares become split_to new ones on the ex-date execution_date; one row for each version of what the vendor said.';
COMMENT ON COLUMN split.known_to IS 'When it was restated or withdrawn; NULL while it is believed.';
COMMENT ON COLUMN split.ended_by IS 'The payload that restated or withdrew it.';
COMMENT ON COLUMN split.asked IS 'The question that the payload answered: a whole answer to it which lists it no longer withdraws it.';
COMMENT ON COLUMN split.vendor_factor IS 'What the vendor''s own adjustment multiplies earlier prices by for this ex-date alone; NULL where it did not say.';
COMMENT ON COLUMN split.vendor_id IS 'The vendor''s id, or one made of date and ratio where it sent none.';

CREATE TABLE dividend (
    ticker text COLLATE "C" NOT NULL,
    vendor_id text NOT NULL,
    ex_dividend_date date NOT NULL,
    cash_amount double precision NOT NULL,
    currency text,
    declaration_date date,
    record_date date,
    pay_date date,
    frequency integer,
    distribution_type text,
    vendor_factor double precision,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    ended_by bigint,
    asked text,
    PRIMARY KEY (ticker, vendor_id, archive_seq),
    CONSTRAINT cash_amount_is_positive CHECK (cash_amount > 0)
);
CREATE INDEX dividend_by_date ON dividend (ticker, ex_dividend_date);
CREATE INDEX dividend_by_ex_date ON dividend (ex_dividend_date, ticker, vendor_id, archive_seq);
CREATE INDEX dividend_answers ON dividend (asked) WHERE known_to IS NULL;
COMMENT ON TABLE dividend IS 'Cash per share of a ticker, in currency, for holders before ex_dividend_date; versions as in split.';

CREATE TABLE factor (
    ticker text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    vendor_id text NOT NULL,
    archive_seq bigint NOT NULL,
    ex_date date NOT NULL,
    applied_on date,
    split_from double precision,
    split_to double precision,
    cash double precision,
    price_factor double precision,
    volume_factor double precision NOT NULL,
    move double precision,
    vendor_factor double precision,
    flags text[] NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (ticker, kind, vendor_id, archive_seq),
    CONSTRAINT kind_is_split_or_dividend CHECK (kind IN ('split', 'dividend'))
);
CREATE INDEX factor_by_date ON factor (ticker, ex_date);
CREATE INDEX applied_split ON factor (applied_on) WHERE kind = 'split' AND known_to IS NULL;
COMMENT ON TABLE factor IS 'What each version of a split or dividend does to the bars before it, weighed against the bars around its ex-date; one row for each row of split and dividend.';
COMMENT ON COLUMN factor.archive_seq IS 'The payload that stated the version.';
COMMENT ON COLUMN factor.ex_date IS 'The ex-date as stated.';
COMMENT ON COLUMN factor.applied_on IS 'The session from which prices are in new shares, or without the dividend; bars before it are restated. NULL: not applied, the flags say why.';
COMMENT ON COLUMN factor.cash IS 'A dividend''s cash per share, in the currency it was stated in; NULL for a split.';
COMMENT ON COLUMN factor.price_factor IS 'What prices before are multiplied by: split_from / split_to, or what is left of the previous close after the dividend, several of one date one after the other; NULL where no previous close is known.';
COMMENT ON COLUMN factor.volume_factor IS 'What volumes before are multiplied by; 1 for a dividend.';
COMMENT ON COLUMN factor.move IS 'Open of the first bar from ex_date on / close of the bar before it, as traded; NULL where one of them is missing.';
COMMENT ON COLUMN factor.vendor_factor IS 'As in split and dividend.';
COMMENT ON COLUMN factor.flags IS 'What is remarkable about it, see project/factors/factor.py; empty for most.';

CREATE TABLE override (
    ticker text COLLATE "C" NOT NULL,
    session date NOT NULL,
    verdict text NOT NULL,
    because text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    ended_by bigint,
    asked text,
    PRIMARY KEY (ticker, session, archive_seq),
    CONSTRAINT verdict_is_known CHECK (verdict IN ('accept', 'reject'))
);
COMMENT ON TABLE override IS 'What a person decided of a bar, whatever the rules say of it: validated is true (accept) or false (reject) from there on, whatever values the vendor restates it to; versions as in split.';
COMMENT ON COLUMN override.known_to IS 'When it was revoked, or replaced by another; NULL while it holds.';
COMMENT ON COLUMN override.ended_by IS 'The decision that revoked or replaced it.';

CREATE TABLE listing (
    ticker text COLLATE "C" NOT NULL,
    security_id text NOT NULL,
    name text,
    market text,
    type text,
    primary_exchange text,
    cik text,
    composite_figi text,
    share_class_figi text,
    active boolean NOT NULL,
    delisted_on date,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    ended_by bigint,
    asked text,
    PRIMARY KEY (ticker, security_id, archive_seq)
);
CREATE INDEX listing_of_security ON listing (security_id);
COMMENT ON TABLE listing IS 'A security under one of its tickers, as the vendor''s lists have it; versions as in split. One that drops out of a list stands.';
COMMENT ON COLUMN listing.security_id IS 'Its composite FIGI, else its share class FIGI, else the CIK of its company, else one made of the ticker.';
COMMENT ON COLUMN listing.active IS 'Whether it trades under this ticker, as the vendor said when it last said something new.';
COMMENT ON COLUMN listing.delisted_on IS 'The New York date of its delisting; NULL where the vendor gives none.';

CREATE TABLE ticker_change (
    ticker text COLLATE "C" NOT NULL,
    security_id text NOT NULL,
    name text,
    changed_on date NOT NULL,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    ended_by bigint,
    asked text,
    PRIMARY KEY (ticker, security_id, changed_on, archive_seq)
);
CREATE INDEX ticker_change_of_security ON ticker_change (security_id);
CREATE INDEX ticker_change_answers ON ticker_change (asked) WHERE known_to IS NULL;
COMMENT ON TABLE ticker_change IS 'From changed_on, as the vendor dates it, a security trades under a ticker, its first or a new one; versions as in split.';
COMMENT ON COLUMN ticker_change.security_id IS 'As in listing.';

CREATE TABLE symbol_status (
    ticker text COLLATE "C" PRIMARY KEY,
    first_session date,
    last_session date,
    bars bigint NOT NULL,
    validated_bars bigint NOT NULL,
    gaps_flagged bigint NOT NULL,
    volume_anomalies bigint NOT NULL,
    revisions bigint NOT NULL,
    rejections bigint NOT NULL,
    last_archive_seq bigint NOT NULL
);
COMMENT ON TABLE symbol_status IS 'One row for every ticker that bars were asked for or came of, rejected ones too; bars may be 0.';
COMMENT ON COLUMN symbol_status.last_archive_seq IS 'The last payload that spoke of it.';

CREATE TABLE aggregate_state (
    checkpoint bigint NOT NULL,
    one_row boolean PRIMARY KEY DEFAULT true,
    CONSTRAINT aggregate_state_has_one_row CHECK (one_row)
);
COMMENT ON TABLE aggregate_state IS 'How far the bars of weeks and months (bar_1w and bar_1mo, see sql/aggregates.sql) have come: they are those of generation.checkpoint only where the two are equal. No row where there are none.';

-- Bound to the tables above when it is made, so it means its own generation wherever that schema is renamed to. A
-- version ends at the instant at which the next one was fetched, so of those fetched by then the one archived last was
-- believed, in whatever order they were fetched.
CREATE FUNCTION bars_known_at(asked_ticker text, first_session date, last_session date, instant timestamptz)
RETURNS TABLE (
    ticker text,
    session date,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume double precision,
    vwap double precision,
    trades double precision,
    archive_seq bigint,
    known_from timestamptz,
    known_to timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT DISTINCT ON (version.session)
        version.ticker,
        version.session,
        version.open,
        version.high,
        version.low,
        version.close,
        version.volume,
        version.vwap,
        version.trades,
        version.archive_seq,
        version.known_from,
        version.known_to
    FROM (
        SELECT
            bar.ticker,
            bar.session,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.vwap,
            bar.trades,
            bar.archive_seq,
            bar.known_from,
            NULL::timestamptz AS known_to
        FROM bar
        WHERE bar.ticker = asked_ticker COLLATE "C"
            AND bar.session BETWEEN first_session AND last_session
            AND bar.known_from <= instant
        UNION ALL
        SELECT
            old.ticker,
            old.session,
            old.open,
            old.high,
            old.low,
            old.close,
            old.volume,
            old.vwap,
            old.trades,
            old.archive_seq,
            old.known_from,
            old.known_to
        FROM bar_revision AS old
        WHERE old.ticker = asked_ticker COLLATE "C"
            AND old.session BETWEEN first_session AND last_session
            AND old.known_from <= instant
    ) AS version
    ORDER BY
        version.session,
        version.archive_seq DESC;
END;
COMMENT ON FUNCTION bars_known_at IS 'The bars of a ticker as they were believed at an instant, unadjusted; none for a session of which nothing was known yet. known_to is when the values were restated, NULL while they stand.';

-- The functions below read several tables in one statement. Bound to the tables above, as all functions here, they give
-- an answer of one generation whatever is renamed meanwhile; `is_live` tells whether that generation was the live one.

CREATE VIEW identity AS
SELECT
    namespace.nspname = 'projection' AS is_live,
    generation.generation_id,
    generation.checkpoint,
    generation.ruleset_hash,
    generation.calendar_version,
    generation.content_hash,
    generation.built_at,
    generation.caught_up_at
FROM generation
JOIN pg_class AS class
    ON class.oid = generation.tableoid
JOIN pg_namespace AS namespace
    ON namespace.oid = class.relnamespace;
COMMENT ON VIEW identity IS 'The generation of this schema, and whether the schema is the live one.';

CREATE FUNCTION series_of(
    asked_tickers text[],
    from_ticker text,
    to_ticker text,
    from_session date,
    to_session date
)
RETURNS TABLE (
    is_live boolean,
    generation_id uuid,
    checkpoint bigint,
    ruleset_hash text,
    calendar_version text,
    content_hash text,
    built_at timestamptz,
    caught_up_at timestamptz,
    ticker text,
    first_session date,
    last_session date,
    bars bigint,
    rejections bigint,
    rule_names text[],
    split_on date[],
    split_from double precision[],
    split_to double precision[],
    dividend_on date[],
    dividend_factor double precision[],
    session bytea,
    open bytea,
    high bytea,
    low bytea,
    close bytea,
    volume bytea,
    vwap bytea,
    trades bytea,
    gap bytea,
    volume_ratio bytea,
    failed_rules bytea,
    quality_score bytea,
    validated bytea
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        identity.is_live,
        identity.generation_id,
        identity.checkpoint,
        identity.ruleset_hash,
        identity.calendar_version,
        identity.content_hash,
        identity.built_at,
        identity.caught_up_at,
        status.ticker,
        status.first_session,
        status.last_session,
        status.bars,
        status.rejections,
        (SELECT array_agg(rule.name ORDER BY rule.bit) FROM rule),
        applied.split_on,
        applied.split_from,
        applied.split_to,
        applied.dividend_on,
        applied.dividend_factor,
        found.session,
        found.open,
        found.high,
        found.low,
        found.close,
        found.volume,
        found.vwap,
        found.trades,
        found.gap,
        found.volume_ratio,
        found.failed_rules,
        found.quality_score,
        found.validated
    FROM identity
    LEFT JOIN (
        SELECT
            symbol_status.ticker,
            symbol_status.first_session,
            symbol_status.last_session,
            symbol_status.bars,
            symbol_status.rejections
        FROM symbol_status
        WHERE (asked_tickers IS NULL OR symbol_status.ticker = ANY (asked_tickers COLLATE "C"))
            AND symbol_status.ticker >= from_ticker COLLATE "C"
            AND symbol_status.ticker <= to_ticker COLLATE "C"
        ORDER BY symbol_status.ticker
    ) AS status
        ON true
    CROSS JOIN LATERAL (
        SELECT
            array_agg(factor.applied_on) FILTER (WHERE factor.kind = 'split') AS split_on,
            array_agg(factor.split_from) FILTER (WHERE factor.kind = 'split') AS split_from,
            array_agg(factor.split_to) FILTER (WHERE factor.kind = 'split') AS split_to,
            array_agg(factor.applied_on) FILTER (WHERE factor.kind = 'dividend') AS dividend_on,
            array_agg(factor.price_factor) FILTER (WHERE factor.kind = 'dividend') AS dividend_factor
        FROM factor
        WHERE factor.ticker = status.ticker
            AND factor.applied_on IS NOT NULL
            AND factor.known_to IS NULL
    ) AS applied
    CROSS JOIN LATERAL (
        SELECT
            string_agg(date_send(ordered.session), '') AS session,
            string_agg(float8send(ordered.open), '') AS open,
            string_agg(float8send(ordered.high), '') AS high,
            string_agg(float8send(ordered.low), '') AS low,
            string_agg(float8send(ordered.close), '') AS close,
            string_agg(float8send(ordered.volume), '') AS volume,
            string_agg(float8send(coalesce(ordered.vwap, 'NaN')), '') AS vwap,
            string_agg(float8send(coalesce(ordered.trades, 'NaN')), '') AS trades,
            string_agg(float8send(coalesce(ordered.gap, 'NaN')), '') AS gap,
            string_agg(float8send(coalesce(ordered.volume_ratio, 'NaN')), '') AS volume_ratio,
            string_agg(int8send(ordered.failed_rules), '') AS failed_rules,
            string_agg(float8send(ordered.quality_score), '') AS quality_score,
            string_agg(boolsend(ordered.validated), '') AS validated
        FROM (
            SELECT
                bar.session,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume,
                bar.vwap,
                bar.trades,
                bar.gap,
                bar.volume_ratio,
                bar.failed_rules,
                bar.quality_score,
                bar.validated
            FROM bar
            WHERE bar.ticker = status.ticker
                AND bar.session BETWEEN from_session AND to_session
            ORDER BY bar.session
        ) AS ordered
    ) AS found;
END;
COMMENT ON FUNCTION series_of IS 'A row for each of the asked tickers that is known (NULL asks for all) from from_ticker to to_ticker, in byte order; bounds of a list beside the list itself let one plan serve every list. The row has the generation, what is known of the ticker, what restates its bars by what is believed now, and its bars in order; one row without ticker where none is known. Each column of the bars is its values'' binary form, end to end, NaN for NULL. Decoding them as values one by one takes longer than everything else about a request.';

CREATE FUNCTION market_of(
    asked_session date,
    with_splits_up_to date,
    with_dividends_up_to date
)
RETURNS TABLE (
    is_live boolean,
    generation_id uuid,
    checkpoint bigint,
    ruleset_hash text,
    calendar_version text,
    content_hash text,
    built_at timestamptz,
    caught_up_at timestamptz,
    is_session boolean,
    rule_names text[],
    split_of text[],
    split_on date[],
    split_from double precision[],
    split_to double precision[],
    dividend_of text[],
    dividend_on date[],
    dividend_factor double precision[],
    tickers text[],
    session bytea,
    open bytea,
    high bytea,
    low bytea,
    close bytea,
    volume bytea,
    vwap bytea,
    trades bytea,
    gap bytea,
    volume_ratio bytea,
    failed_rules bytea,
    quality_score bytea,
    validated bytea
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        identity.is_live,
        identity.generation_id,
        identity.checkpoint,
        identity.ruleset_hash,
        identity.calendar_version,
        identity.content_hash,
        identity.built_at,
        identity.caught_up_at,
        EXISTS (SELECT FROM session WHERE session.session = asked_session),
        (SELECT array_agg(rule.name ORDER BY rule.bit) FROM rule),
        splits.split_of,
        splits.split_on,
        splits.split_from,
        splits.split_to,
        dividends.dividend_of,
        dividends.dividend_on,
        dividends.dividend_factor,
        found.tickers,
        found.session,
        found.open,
        found.high,
        found.low,
        found.close,
        found.volume,
        found.vwap,
        found.trades,
        found.gap,
        found.volume_ratio,
        found.failed_rules,
        found.quality_score,
        found.validated
    FROM identity
    CROSS JOIN LATERAL (
        SELECT
            array_agg(factor.ticker) AS split_of,
            array_agg(factor.applied_on) AS split_on,
            array_agg(factor.split_from) AS split_from,
            array_agg(factor.split_to) AS split_to
        FROM factor
        WHERE factor.kind = 'split'
            AND factor.known_to IS NULL
            AND factor.applied_on > asked_session
            AND factor.applied_on <= with_splits_up_to
    ) AS splits
    CROSS JOIN LATERAL (
        SELECT
            array_agg(factor.ticker) AS dividend_of,
            array_agg(factor.applied_on) AS dividend_on,
            array_agg(factor.price_factor) AS dividend_factor
        FROM factor
        WHERE factor.kind = 'dividend'
            AND factor.known_to IS NULL
            AND factor.price_factor IS NOT NULL
            AND factor.applied_on > asked_session
            AND factor.applied_on <= with_dividends_up_to
    ) AS dividends
    CROSS JOIN LATERAL (
        SELECT
            array_agg(ordered.ticker) AS tickers,
            string_agg(date_send(ordered.session), '') AS session,
            string_agg(float8send(ordered.open), '') AS open,
            string_agg(float8send(ordered.high), '') AS high,
            string_agg(float8send(ordered.low), '') AS low,
            string_agg(float8send(ordered.close), '') AS close,
            string_agg(float8send(ordered.volume), '') AS volume,
            string_agg(float8send(coalesce(ordered.vwap, 'NaN')), '') AS vwap,
            string_agg(float8send(coalesce(ordered.trades, 'NaN')), '') AS trades,
            string_agg(float8send(coalesce(ordered.gap, 'NaN')), '') AS gap,
            string_agg(float8send(coalesce(ordered.volume_ratio, 'NaN')), '') AS volume_ratio,
            string_agg(int8send(ordered.failed_rules), '') AS failed_rules,
            string_agg(float8send(ordered.quality_score), '') AS quality_score,
            string_agg(boolsend(ordered.validated), '') AS validated
        FROM (
            SELECT
                bar.ticker,
                bar.session,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume,
                bar.vwap,
                bar.trades,
                bar.gap,
                bar.volume_ratio,
                bar.failed_rules,
                bar.quality_score,
                bar.validated
            FROM bar
            WHERE bar.session = asked_session
            ORDER BY bar.ticker
        ) AS ordered
    ) AS found;
END;
COMMENT ON FUNCTION market_of IS 'One row: the generation and the bars of a session in byte order of their tickers, in the form of series_of, with the splits and dividends after it that restate them; NULL as a date asks for none of them.';
