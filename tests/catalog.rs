//! What our migrations promise of each of the 23 tables, read back from the catalog.

use pretty_assertions::assert_eq;

use crate::support::Project;

/// Tables, and those of their columns that point at another one.
const TABLES: [(&str, &[&str]); 23] = [
    ("cardio_types", &["category_id"]),
    ("elbow_relationship", &[]),
    ("equipment", &["category_id"]),
    ("equipment_categories", &["parent_id"]),
    ("equipment_icons", &["equipment_id"]),
    ("execution_styles", &[]),
    ("exercise_categories", &[]),
    ("foot_positions", &[]),
    ("grip_widths", &[]),
    ("grips", &["parent_id"]),
    ("load_placement", &[]),
    ("loading_aids", &[]),
    ("motion_paths", &["motion_id"]),
    ("motions", &["parent_id"]),
    ("muscles", &["category_id"]),
    ("range_of_motion", &[]),
    ("resistance_origin", &[]),
    ("stance_types", &[]),
    ("stance_widths", &[]),
    ("support_structures", &[]),
    ("torso_angles", &[]),
    ("torso_orientations", &[]),
    ("training_focus", &["category_id"]),
];

const RULES: &str = r#"
    SELECT class.relname || ': ' || concat_ws('; ',
        (SELECT 'key ' || string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ')
         FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
         WHERE indrelid = class.oid AND indisprimary),
        (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod),
                                     CASE WHEN attnotnull THEN 'not null' END,
                                     'default ' || pg_get_expr(adbin, adrelid)), '; ' ORDER BY attname)
         FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = class.oid AND attname IN ('is_active', 'source_type')),
        (SELECT string_agg(pg_get_constraintdef(oid), '; ') FROM pg_constraint
         WHERE conrelid = class.oid AND contype = 'c'
           AND pg_get_constraintdef(oid) LIKE '%source_type%'),
        (SELECT string_agg('active rows in order of ' || pg_get_indexdef(indexrelid, 1, true)
                           || ', ' || pg_get_indexdef(indexrelid, 2, true), '; ')
         FROM pg_index
         WHERE indrelid = class.oid AND pg_get_expr(indpred, indrelid) = 'is_active'
           AND indnkeyatts = 2 AND indisvalid),
        (SELECT string_agg(concat_ws(' ', attname, 'update', confupdtype, 'delete', confdeltype,
                 CASE WHEN EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indisvalid
                                   AND indpred IS NULL AND indkey[0] = conkey[1])
                      THEN 'indexed' END), '; ' ORDER BY attname)
         FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
         WHERE conrelid = class.oid AND contype = 'f' AND convalidated))
    FROM pg_class AS class
    WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p')
      AND class.relname <> 'reference_metadata'
    ORDER BY class.relname COLLATE "C""#;

fn migrated() -> Project {
    let project = Project::exercise_app();
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

#[test]
fn every_table_keeps_every_locked_rule() {
    let expected = TABLES.map(|(table, references)| {
        let references = references
            .iter()
            .map(|c| format!("; {c} update c delete r indexed"));
        format!(
            "{table}: key id text; is_active boolean not null default true; \
             source_type text not null default 'seed'::text; \
             CHECK ((source_type = ANY (ARRAY['seed'::text, 'admin'::text]))); \
             active rows in order of sort_order, id{}",
            references.collect::<String>()
        )
    });
    assert_eq!(migrated().database.query(RULES), expected);
}

#[test]
fn the_order_of_active_rows_is_that_of_bytes() {
    let project = migrated();
    let collations = project.database.query(
        "SELECT DISTINCT array_length(indcollation, 1), collname, indnatts
         FROM pg_index JOIN pg_collation ON pg_collation.oid = indcollation[1]
         WHERE pg_get_expr(indpred, indrelid) = 'is_active'",
    );
    assert_eq!(collations, ["2|C|2"]);
}

#[test]
fn no_table_has_a_trigger_for_each_row_or_a_second_function() {
    let project = migrated();
    let triggers = project.database.query(
        "SELECT tgrelid::regclass, string_agg(concat_ws(' ',
                    CASE WHEN tgtype & 1 = 1 THEN 'row' ELSE 'statement' END,
                    CASE WHEN tgtype & 2 = 2 THEN 'before' ELSE 'after' END,
                    CASE tgtype & 60 WHEN 4 THEN 'insert' WHEN 8 THEN 'delete'
                                     WHEN 16 THEN 'update' WHEN 32 THEN 'truncate' END,
                    coalesce(tgoldtable, tgnewtable), tgfoid::regproc), ', ' ORDER BY tgtype)
         FROM pg_trigger WHERE NOT tgisinternal GROUP BY tgrelid
         ORDER BY tgrelid::regclass::text COLLATE \"C\"",
    );
    let expected = TABLES.map(|(table, _)| {
        format!(
            "{table}|statement after insert changed_rows record_table_change, \
             statement after delete changed_rows record_table_change, \
             statement after update changed_rows record_table_change, \
             statement after truncate record_table_change"
        )
    });
    assert_eq!(triggers, expected);
    let functions = project.database.query(
        "SELECT oid::regprocedure FROM pg_proc
         WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    );
    assert_eq!(functions, ["record_table_change()"]);
}

#[test]
fn every_table_is_tracked_from_the_first_day() {
    let expected = TABLES.map(|(table, _)| format!("{table}|0"));
    assert_eq!(migrated().database.versions(), expected);
}
