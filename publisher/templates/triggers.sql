-- Has every change of these tables recorded in reference_metadata, from which the
-- published reference version is taken.
{%- if give_lineage %}

-- Says which database those numbers count for. Copies and restored dumps keep it, so that
-- the publisher can refuse an older one of the same.
CREATE SCHEMA IF NOT EXISTS tablecast;
{{ give_lineage }}
{%- endif %}

CREATE TABLE IF NOT EXISTS {{ schema }}.reference_metadata (
    table_name   text PRIMARY KEY,
    version_seq  bigint NOT NULL DEFAULT 0,
    last_updated timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Gives each transaction that changes a tracked table the next number. Every row is locked
-- until commit, so that numbers rise in the order of the commits; a writer with an older
-- snapshot gets a serialization failure instead of a number that was used before.
CREATE OR REPLACE FUNCTION {{ schema }}.record_table_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_transaction text := pg_current_xact_id()::text;
    has_number       boolean;
BEGIN
    -- A statement that changed no row counts for nothing; TRUNCATE has no rows to show.
    IF TG_OP <> 'TRUNCATE' THEN
        IF NOT EXISTS (SELECT FROM changed_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    has_number := coalesce(
        current_setting('tablecast.numbered_transaction', true) = this_transaction, false);
    IF NOT has_number THEN
        PERFORM FROM {{ schema }}.reference_metadata ORDER BY table_name FOR UPDATE;
        PERFORM set_config('tablecast.numbered_transaction', this_transaction, true);
    END IF;
    {%- if has_parts %}
    -- A part of other tables: the change is theirs.
    IF TG_NARGS > 0 THEN
        WITH RECURSIVE above AS (
            SELECT inherits.inhparent AS oid FROM pg_inherits AS inherits WHERE inherits.inhrelid = TG_RELID
            UNION
            SELECT inherits.inhparent FROM above JOIN pg_inherits AS inherits ON inherits.inhrelid = above.oid
        ), number AS (
            SELECT coalesce(max(version_seq), 0) + CASE WHEN has_number THEN 0 ELSE 1 END AS version_seq,
                   greatest(clock_timestamp(), max(last_updated)) AS last_updated
            FROM {{ schema }}.reference_metadata
        )
        UPDATE {{ schema }}.reference_metadata AS metadata
        SET version_seq = number.version_seq, last_updated = number.last_updated
        FROM number, above
        JOIN pg_class AS class ON class.oid = above.oid
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = {{ schema_literal }} AND metadata.table_name = class.relname
          AND metadata.version_seq < number.version_seq;
        RETURN NULL;
    END IF;
    {%- endif %}
    INSERT INTO {{ schema }}.reference_metadata AS metadata (table_name, version_seq, last_updated)
    SELECT TG_TABLE_NAME,
           coalesce(max(version_seq), 0) + CASE WHEN has_number THEN 0 ELSE 1 END,
           greatest(clock_timestamp(), max(last_updated))
    FROM {{ schema }}.reference_metadata
    ON CONFLICT (table_name) DO UPDATE
        SET version_seq = excluded.version_seq, last_updated = excluded.last_updated
        WHERE metadata.version_seq < excluded.version_seq;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION {{ schema }}.record_table_change() FROM PUBLIC;
{% for table in tables %}
{% for event in table.events -%}
CREATE TRIGGER record_{{ event | lower }} AFTER {{ event }} ON {{ table.name }}
    {% if event == "DELETE" %}REFERENCING OLD TABLE AS changed_rows {% elif event != "TRUNCATE" %}REFERENCING NEW TABLE AS changed_rows {% endif -%}
    FOR EACH STATEMENT EXECUTE FUNCTION {{ schema }}.record_table_change();
ALTER TABLE {{ table.name }} ENABLE ALWAYS TRIGGER record_{{ event | lower }};
{% endfor -%}
INSERT INTO {{ schema }}.reference_metadata (table_name) VALUES ({{ table.literal }})
    ON CONFLICT DO NOTHING;
{% endfor -%}
{% if parts -%}
-- A partition, or a table that inherits, may be changed by itself: that is a change of the
-- tables above it, whose triggers see only the statements that name them.
{% for table in parts %}
{% for event in table.events -%}
CREATE TRIGGER record_part_{{ event | lower }} AFTER {{ event }} ON {{ table.name }}
    {% if event == "DELETE" %}REFERENCING OLD TABLE AS changed_rows {% elif event != "TRUNCATE" %}REFERENCING NEW TABLE AS changed_rows {% endif -%}
    FOR EACH STATEMENT EXECUTE FUNCTION {{ schema }}.record_table_change('part');
ALTER TABLE {{ table.name }} ENABLE ALWAYS TRIGGER record_part_{{ event | lower }};
{% endfor -%}
{% endfor -%}
{% endif -%}
