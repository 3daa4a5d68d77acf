-- What changed last: one row per tracked table.
--
-- version_seq is one count for the whole database, not one per table. Every transaction that changes
-- tracked rows takes the next number and leaves it in the row of each table it touched. The
-- database's reference version is the highest number here: max(version_seq) = 42 reads "seq:42".
CREATE TABLE reference_metadata (
    table_name   text PRIMARY KEY,
    -- 0: tracked, and never changed since.
    version_seq  bigint NOT NULL DEFAULT 0 CHECK (version_seq >= 0),
    -- When version_seq was taken; for a table never changed, when its tracking began.
    last_updated timestamptz NOT NULL DEFAULT clock_timestamp()
)
-- Each change rewrites a row of this small table. Room in its pages keeps the new row version beside
-- the old one, so that no index has to follow.
WITH (fillfactor = 50);

-- The one trigger function behind every tracked table: gives the transaction its number.
--
-- Numbers rise in the order in which transactions commit, and a reader who sees a number sees every
-- change that carries it or a lower one. Neither a sequence nor now() promises that: both are taken
-- before the commit, so that a slow transaction can show its change after a reader has already seen
-- a higher number. Here a number is taken under row locks that are held until commit:
--
--   READ COMMITTED          a second writer waits, then counts on from what the first one committed
--   REPEATABLE READ, above  a writer whose snapshot is older than the last number gets a
--                           serialization failure (40001), never a number used before
--   ROLLBACK [TO SAVEPOINT] gives number and locks back
--
-- Writers therefore queue. A transaction that will write several tables locks the rows of
-- reference_metadata first, ordered as below, and cannot deadlock with another one that does.
CREATE FUNCTION record_table_change() RETURNS trigger
    LANGUAGE plpgsql
    -- The owner's rights: who may edit a table needs no right on the counter, so cannot set it back.
    SECURITY DEFINER
    -- Names resolve in pg_catalog or are qualified. pg_temp stands last because it would otherwise
    -- be searched first, and a caller's temporary table could pass for ours.
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_transaction text := pg_current_xact_id()::text;
    has_number       boolean;
BEGIN
    -- A statement trigger also fires when no row is touched, with ON CONFLICT and MERGE even for
    -- events that never happened. Only TRUNCATE has no transition table to ask: it always counts.
    IF TG_OP <> 'TRUNCATE' THEN
        IF NOT EXISTS (SELECT FROM changed_rows) THEN
            RETURN NULL;
        END IF;
    END IF;

    -- One number per transaction, however many statements and tables. The mark lasts as long as the
    -- transaction and goes back with a savepoint, exactly as the rows do. (A row's xmin would not
    -- do: below a savepoint it names the subtransaction.) It holds the transaction's id, so that a
    -- value which a plain SET left in the session means nothing.
    has_number := coalesce(
        current_setting('tablecast.numbered_transaction', true) = this_transaction, false);

    IF NOT has_number THEN
        -- Every row, not only this table's: the highest number may stand in any of them. Sorted,
        -- because two writers who lock in different orders deadlock.
        PERFORM FROM public.reference_metadata ORDER BY table_name FOR UPDATE;
        PERFORM set_config('tablecast.numbered_transaction', this_transaction, true);
    END IF;

    -- A statement of its own, whose snapshot is taken after the wait. Once this transaction has a
    -- number, the locks make it the highest one.
    INSERT INTO public.reference_metadata AS metadata (table_name, version_seq, last_updated)
    SELECT TG_TABLE_NAME,
           coalesce(max(version_seq), 0) + CASE WHEN has_number THEN 0 ELSE 1 END,
           -- A clock that was set back must not make a later change look older.
           greatest(clock_timestamp(), max(last_updated))
    FROM public.reference_metadata
    ON CONFLICT (table_name) DO UPDATE
        SET version_seq  = excluded.version_seq,
            last_updated = excluded.last_updated
        -- Already noted: ten thousand single inserts would leave ten thousand dead row versions,
        -- each slower to step over than the last.
        WHERE metadata.version_seq < excluded.version_seq;

    RETURN NULL;
END
$$;

-- Whoever may execute a trigger function may put it on a table of their own and move our count.
REVOKE EXECUTE ON FUNCTION record_table_change() FROM PUBLIC;
