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
COMMENT ON COLUMN generation.content_hash IS 'Of what is believed: bars with verdicts, splits, dividends. Sum of row hashes: equal content, equal hash, in any order.';
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
COMMENT ON COLUMN bar.validated IS 'Whether the score reaches the ruleset''s threshold.';
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
COMMENT ON COLUMN rejection.row_text IS 'The raw row as the payload has it, as JSON.';

CREATE TABLE split (
    ticker text COLLATE "C" NOT NULL,
    vendor_id text NOT NULL,
    execution_date date NOT NULL,
    split_from double precision NOT NULL,
    split_to double precision NOT NULL,
    adjustment_type text,
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    PRIMARY KEY (ticker, vendor_id),
    CONSTRAINT split_from_is_positive CHECK (split_from > 0),
    CONSTRAINT split_to_is_positive CHECK (split_to > 0)
);
COMMENT ON TABLE split IS 'split_from old shares became split_to new ones on the ex-date execution_date.';
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
    archive_seq bigint NOT NULL,
    known_from timestamptz NOT NULL,
    PRIMARY KEY (ticker, vendor_id),
    CONSTRAINT cash_amount_is_positive CHECK (cash_amount > 0)
);
COMMENT ON TABLE dividend IS 'Cash per share of a ticker, in currency, for holders before ex_dividend_date.';

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
