-- Has every table's changes recorded in reference_metadata.
--
-- PostgreSQL gives a trigger with a transition table only one event, so each table has four.
-- ENABLE ALWAYS: a bulk tool that sets session_replication_role changes data like anybody else.
--
-- A later migration that creates a table does the same for it, and also rewrites the older rows of
-- reference_metadata as they are: a transaction that began before the table's row was there then gets
-- its serialization failure, and cannot overlook a number in a row it does not see. A migration that
-- rewrites values by ALTER TABLE fires no trigger: it also runs an UPDATE of the rows it changed.
DO $$
DECLARE
    tracked text;
BEGIN
    FOREACH tracked IN ARRAY ARRAY[
        'cardio_types', 'elbow_relationship', 'equipment', 'equipment_categories', 'equipment_icons',
        'execution_styles', 'exercise_categories', 'foot_positions', 'grip_widths', 'grips',
        'load_placement', 'loading_aids', 'motion_paths', 'motions', 'muscles', 'range_of_motion',
        'resistance_origin', 'stance_types', 'stance_widths', 'support_structures', 'torso_angles',
        'torso_orientations', 'training_focus'
    ] LOOP
        EXECUTE replace($statements$
            CREATE TRIGGER record_insert AFTER INSERT ON {table}
                REFERENCING NEW TABLE AS changed_rows
                FOR EACH STATEMENT EXECUTE FUNCTION public.record_table_change();

            CREATE TRIGGER record_update AFTER UPDATE ON {table}
                REFERENCING NEW TABLE AS changed_rows
                FOR EACH STATEMENT EXECUTE FUNCTION public.record_table_change();

            CREATE TRIGGER record_delete AFTER DELETE ON {table}
                REFERENCING OLD TABLE AS changed_rows
                FOR EACH STATEMENT EXECUTE FUNCTION public.record_table_change();

            CREATE TRIGGER record_truncate AFTER TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION public.record_table_change();

            ALTER TABLE {table}
                ENABLE ALWAYS TRIGGER record_insert,
                ENABLE ALWAYS TRIGGER record_update,
                ENABLE ALWAYS TRIGGER record_delete,
                ENABLE ALWAYS TRIGGER record_truncate;
        $statements$, '{table}', format('public.%I', tracked));

        INSERT INTO public.reference_metadata (table_name) VALUES (tracked);
    END LOOP;
END
$$;
