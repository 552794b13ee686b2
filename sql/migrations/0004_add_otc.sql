-- Answers for the whole market leave out what trades over the counter, so a plan must know which tickers do.

ALTER TABLE archive.assessment ADD COLUMN otc boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN archive.assessment.otc IS 'The newest bar of the answer is marked as traded over the counter.';
