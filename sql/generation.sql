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
-- The primary key (ticker, session) is added when the first rows are in: loading without it is faster.
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
