"""Tries to break the promises of sql/migrations with nothing but psql.

Needs a PostgreSQL whose connection string stands in TABLECAST_TEST_DATABASE_URL, and the right to
create databases and roles there. Each test has a database of its own.

    python3 -m unittest discover tests/schema
"""

import os
import subprocess
import time
import unittest
import uuid
from pathlib import Path

MIGRATIONS = sorted((Path(__file__).parents[2] / "sql" / "migrations").glob("V*.sql"))
SERVER = os.environ.get("TABLECAST_TEST_DATABASE_URL")

TABLES = """
    cardio_types elbow_relationship equipment equipment_categories equipment_icons execution_styles
    exercise_categories foot_positions grip_widths grips load_placement loading_aids motion_paths
    motions muscles range_of_motion resistance_origin stance_types stance_widths support_structures
    torso_angles torso_orientations training_focus
""".split()

# The SQLSTATEs that are promised.
STALE, NO_RIGHT, CHECK, FOREIGN_KEY, NOT_NULL = "40001", "42501", "23514", "23503", "23502"


class Session:
    """One psql, kept open: what a transaction does between two statements is the point here."""

    def __init__(self, database=None):
        self.psql = subprocess.Popen(
            ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run(r"\set VERBOSITY sqlstate")
        if database:
            self.run(rf"\connect {database}")
        self.pid = self.run("SELECT pg_backend_pid()")

    def send(self, sql):
        """Starts a statement that may have to wait."""
        self.psql.stdin.write(
            sql + ("\n" if sql.startswith("\\") else ";\n") + r"\echo ~end~" + "\n"
        )
        self.psql.stdin.flush()

    def answer(self):
        """Waits for what was sent: its rows, or `ERROR:  <SQLSTATE>`."""
        lines = []
        for line in self.psql.stdout:
            if line == "~end~\n":
                break
            lines.append(line.rstrip("\n"))
        return "\n".join(lines)

    def run(self, sql):
        self.send(sql)
        return self.answer()

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


@unittest.skipUnless(SERVER, "TABLECAST_TEST_DATABASE_URL is not set")
class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Migrates once; every test then copies the result."""
        cls.template = f"tablecast_schema_{uuid.uuid4().hex[:12]}"
        cls.server = Session()
        cls.server.run(f"CREATE DATABASE {cls.template}")
        migrator = Session(cls.template)
        for migration in MIGRATIONS:
            answer = migrator.run(rf"\i {migration}")
            assert answer == "", f"{migration.name}: {answer}"
        migrator.close()

    @classmethod
    def tearDownClass(cls):
        cls.server.run(f"DROP DATABASE {cls.template} WITH (FORCE)")
        cls.server.close()

    def setUp(self):
        self.database = f"{self.template}_{uuid.uuid4().hex[:8]}"
        self.server.run(f"CREATE DATABASE {self.database} TEMPLATE {self.template}")
        self.addCleanup(self.server.run, f"DROP DATABASE {self.database} WITH (FORCE)")
        self.db = self.session()

    def session(self):
        session = Session(self.database)
        self.addCleanup(session.close)
        return session

    def version(self, session=None):
        """The database's reference version, as this session sees it."""
        return int((session or self.db).run("SELECT max(version_seq) FROM reference_metadata"))

    def versions(self):
        """The number of every table that has one."""
        rows = self.db.run(
            "SELECT table_name, version_seq FROM reference_metadata WHERE version_seq > 0"
            " ORDER BY table_name"
        )
        return {name: int(seq) for name, seq in (row.split("|") for row in rows.splitlines())}

    def done(self, sql, session=None):
        """Runs what must succeed without a word."""
        self.assertEqual((session or self.db).run(sql), "", sql)

    def moves(self, by, *statements):
        before = self.version()
        for sql in statements:
            self.done(sql)
        self.assertEqual(self.version() - before, by, statements)

    def refused(self, sqlstate, sql, session=None):
        self.assertEqual((session or self.db).run(sql), f"ERROR:  {sqlstate}", sql)

    def waits(self, session):
        """Asserts that a session stands in line behind another one's lock."""
        deadline = time.monotonic() + 10
        query = f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {session.pid}"
        while self.server.run(query) != "Lock":
            self.assertLess(time.monotonic(), deadline, "the session does not wait")
            time.sleep(0.01)


class TheCatalog(SchemaTest):
    def test_holds_these_tables_and_no_other(self):
        found = self.db.run(
            "SELECT string_agg(relname, ' ' ORDER BY relname COLLATE \"C\") FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        self.assertEqual(found.split(), sorted(TABLES + ["reference_metadata"]))

    def test_every_table_is_tracked_from_the_start_and_in_every_role(self):
        for table in TABLES:
            self.assertEqual(
                self.db.run(
                    "SELECT string_agg(concat_ws(' ', tgname, tgenabled), ' ' ORDER BY tgname)"
                    f" FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
                ),
                "record_delete A record_insert A record_truncate A record_update A",
                table,
            )
        self.assertEqual(
            self.db.run("SELECT count(*), max(version_seq) FROM reference_metadata"),
            f"{len(TABLES)}|0",
        )

    def test_every_table_has_a_text_key_and_the_two_columns_that_govern_a_row(self):
        for table in TABLES:
            columns = self.db.run(
                "SELECT column_name, data_type, is_nullable, column_default"
                f" FROM information_schema.columns WHERE table_name = '{table}'"
                " AND column_name IN ('id', 'is_active', 'source_type') ORDER BY column_name"
            )
            self.assertEqual(
                columns.splitlines(),
                ["id|text|NO|", "is_active|boolean|NO|true", "source_type|text|NO|'seed'::text"],
                table,
            )
            column = "value" if table == "equipment_icons" else "label"
            self.refused(
                CHECK, f"INSERT INTO {table} (id, {column}, source_type) VALUES ('X', 'x', 'robot')"
            )

    def test_every_foreign_key_follows_renames_refuses_loss_and_has_its_index(self):
        keys = self.db.run(
            "SELECT conrelid::regclass || '.' || attname, confupdtype, confdeltype,"
            " EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])"
            " FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE contype = 'f' ORDER BY 1"
        )
        self.assertEqual(
            keys.splitlines(),
            [
                f"{key}|c|r|t"
                for key in (
                    "cardio_types.category_id",
                    "equipment.category_id",
                    "equipment_categories.parent_id",
                    "equipment_icons.equipment_id",
                    "grips.parent_id",
                    "motion_paths.motion_id",
                    "motions.parent_id",
                    "muscles.category_id",
                    "training_focus.category_id",
                )
            ],
        )

    def test_a_snapshot_reads_each_table_in_the_order_of_an_index(self):
        self.done("SET enable_seqscan = off")
        self.done("SET enable_bitmapscan = off")
        for table in TABLES:
            plan = self.db.run(
                f"EXPLAIN (COSTS OFF) SELECT * FROM {table} WHERE is_active"
                ' ORDER BY sort_order, id COLLATE "C"'
            )
            self.assertEqual(plan, f"Index Scan using {table}_active on {table}")


class AStatement(SchemaTest):
    def setUp(self):
        super().setUp()
        self.done("INSERT INTO grips (id, label) VALUES ('A', 'a'), ('B', 'b')")

    def test_that_changes_rows_moves_the_version_by_one(self):
        self.moves(1, "INSERT INTO grips (id, label) VALUES ('C', 'c'), ('D', 'd')")
        self.moves(1, "UPDATE grips SET label = 'x' WHERE id IN ('A', 'B')")
        self.moves(1, "DELETE FROM grips WHERE id = 'D'")
        self.moves(1, "COPY grips (id, label) FROM STDIN;\nE\te\nF\tf\n\\.\nSELECT WHERE false")
        self.moves(
            1,
            "INSERT INTO grips (id, label) VALUES ('A', 'again'), ('G', 'new')"
            " ON CONFLICT (id) DO UPDATE SET label = excluded.label",
        )
        self.moves(
            1,
            "WITH gone AS (DELETE FROM grips WHERE id = 'B' RETURNING label)"
            " INSERT INTO grip_widths (id, label) SELECT 'B', label FROM gone",
        )
        self.moves(1, "TRUNCATE grips")
        self.assertEqual(self.versions(), {"grips": 8, "grip_widths": 7})

    def test_that_merges_moves_the_version_by_one(self):
        if int(self.db.run("SHOW server_version_num")) < 150000:
            self.skipTest("MERGE came with PostgreSQL 15")
        self.moves(
            1,
            "MERGE INTO grips USING (VALUES ('A'), ('Z')) AS source (id) ON grips.id = source.id"
            " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, label) VALUES ('Z', 'z')",
        )
        self.moves(
            0,
            "MERGE INTO grips USING (VALUES ('B')) AS source (id) ON grips.id = source.id"
            " WHEN MATCHED AND label = 'no such' THEN DELETE",
        )

    def test_that_changes_no_row_moves_nothing(self):
        self.moves(
            0,
            "INSERT INTO grips (id, label) SELECT 'C', 'c' WHERE false",
            "UPDATE grips SET label = 'x' WHERE false",
            "DELETE FROM grips WHERE false",
            "INSERT INTO grips (id, label) VALUES ('A', 'a') ON CONFLICT DO NOTHING",
            "INSERT INTO grips (id, label) VALUES ('A', 'a') ON CONFLICT (id) DO UPDATE"
            " SET label = excluded.label WHERE grips.label IS DISTINCT FROM excluded.label",
            "COPY grips (id, label) FROM STDIN;\n\\.\nSELECT WHERE false",
        )

    def test_that_fails_moves_nothing(self):
        before = self.version()
        self.refused("23505", "INSERT INTO grips (id, label) VALUES ('C', 'c'), ('A', 'a')")
        self.assertEqual(self.version(), before)

    def test_is_also_seen_where_replication_silences_ordinary_triggers(self):
        self.moves(1, "SET session_replication_role = replica", "UPDATE grips SET label = 'x'")

    def test_is_also_seen_after_the_tables_shape_changed_under_an_open_session(self):
        self.moves(
            2,
            "UPDATE grips SET label = 'x'",
            "ALTER TABLE grips ADD COLUMN note text, DROP COLUMN icon",
            "ALTER TABLE grips ALTER COLUMN sort_order TYPE bigint",
            "UPDATE grips SET label = 'y'",
        )

    def test_on_a_table_without_a_record_starts_one(self):
        self.done("DELETE FROM reference_metadata WHERE table_name = 'grips'")
        self.done("INSERT INTO grip_widths (id, label) VALUES ('A', 'a')")
        self.done("ALTER TABLE grips RENAME TO holds")
        self.done("UPDATE holds SET label = 'x'")
        self.assertEqual(self.versions(), {"grip_widths": 1, "holds": 2})

    def test_that_cascades_moves_every_table_it_reaches(self):
        self.done("INSERT INTO exercise_categories (id, label) VALUES ('A', 'a')")
        self.done("INSERT INTO cardio_types (id, label, category_id) VALUES ('B', 'b', 'A')")
        self.moves(1, "UPDATE exercise_categories SET id = 'AA'")
        self.assertEqual(self.db.run("SELECT category_id FROM cardio_types"), "AA")
        self.assertEqual(self.versions(), {"grips": 1, "cardio_types": 4, "exercise_categories": 4})
        # PostgreSQL 18 gives RESTRICT a code of its own.
        self.assertIn(
            self.db.run("DELETE FROM exercise_categories"), ("ERROR:  23503", "ERROR:  23001")
        )
        # What points here: cardio_types, muscles, training_focus.
        self.moves(1, "SET client_min_messages = warning", "TRUNCATE exercise_categories CASCADE")
        self.assertEqual(
            {table for table, number in self.versions().items() if number == 5},
            {"cardio_types", "exercise_categories", "muscles", "training_focus"},
        )


class ATransaction(SchemaTest):
    def insert(self, table, key):
        return f"INSERT INTO {table} (id, label) VALUES ('{key}', 'x')"

    def test_takes_one_number_for_all_its_tables(self):
        self.moves(
            1,
            "BEGIN",
            self.insert("grips", "A"),
            self.insert("muscles", "A"),
            self.insert("grips", "B"),
            "UPDATE grips SET label = 'y'",
            "COMMIT",
        )
        self.assertEqual(self.versions(), {"grips": 1, "muscles": 1})
        self.moves(1, self.insert("motions", "A"))

    def test_that_rolls_back_gives_its_number_back(self):
        self.moves(0, "BEGIN", self.insert("grips", "A"), "ROLLBACK")
        self.moves(1, self.insert("grips", "A"))
        self.assertEqual(self.versions(), {"grips": 1})

    def test_keeps_its_number_below_and_above_savepoints(self):
        self.moves(
            1,
            "BEGIN",
            "SAVEPOINT outer_one",
            "SAVEPOINT inner_one",
            self.insert("grips", "A"),
            "RELEASE inner_one",
            self.insert("muscles", "A"),
            "RELEASE outer_one",
            self.insert("motions", "A"),
            "COMMIT",
        )
        self.assertEqual(self.versions(), {"grips": 1, "motions": 1, "muscles": 1})

    def test_that_rolls_back_to_a_savepoint_leaves_no_trace_of_what_was_undone(self):
        self.moves(
            1,
            "BEGIN",
            "SAVEPOINT here",
            self.insert("grips", "A"),
            "ROLLBACK TO here",
            self.insert("muscles", "A"),
            "SAVEPOINT here",
            self.insert("motions", "A"),
            "ROLLBACK TO here",
            self.insert("muscles", "B"),
            "COMMIT",
        )
        self.assertEqual(self.versions(), {"muscles": 1})
        self.moves(
            0, "BEGIN", "SAVEPOINT here", self.insert("grips", "A"), "ROLLBACK TO here", "COMMIT"
        )

    def test_lets_another_one_go_first_after_rolling_back_to_a_savepoint(self):
        other = self.session()
        for sql in ("BEGIN", "SAVEPOINT here", self.insert("grips", "A"), "ROLLBACK TO here"):
            self.done(sql)
        self.done(self.insert("muscles", "A"), other)
        self.done(self.insert("grips", "B"))
        self.done("COMMIT")
        self.assertEqual(self.versions(), {"muscles": 1, "grips": 2})

    def test_survives_an_error_that_plpgsql_catches(self):
        self.moves(
            1,
            "DO $$ BEGIN"
            " BEGIN INSERT INTO grips (id, label) VALUES ('A', 'x'), ('A', 'x');"
            " EXCEPTION WHEN unique_violation THEN"
            "  INSERT INTO muscles (id, label) VALUES ('A', 'x'); END;"
            " INSERT INTO motions (id, label) VALUES ('A', 'x'); END $$",
        )
        self.assertEqual(self.versions(), {"motions": 1, "muscles": 1})

    def test_makes_the_next_writer_wait_and_count_on(self):
        other = self.session()
        self.done("BEGIN")
        self.done(self.insert("grips", "A"))
        other.send(self.insert("muscles", "A"))
        self.waits(other)
        self.assertEqual(self.version(self.session()), 0)
        self.done("COMMIT")
        self.assertEqual(other.answer(), "")
        self.assertEqual(self.versions(), {"grips": 1, "muscles": 2})

    def test_that_rolls_back_frees_the_number_for_the_one_that_waited(self):
        other = self.session()
        self.done("BEGIN")
        self.done(self.insert("grips", "A"))
        other.send(self.insert("muscles", "A"))
        self.waits(other)
        self.done("ROLLBACK")
        self.assertEqual(other.answer(), "")
        self.assertEqual(self.versions(), {"muscles": 1})

    def test_with_a_stale_snapshot_fails_and_never_repeats_a_number(self):
        for level in ("REPEATABLE READ", "SERIALIZABLE"):
            other = self.session()
            self.done(f"BEGIN ISOLATION LEVEL {level}", other)
            self.version(other)
            self.done(self.insert("grips", level[0]))
            self.refused(STALE, self.insert("muscles", "A"), other)
            self.done("ROLLBACK", other)
            # Begun again, it sees what it missed.
            self.done(f"BEGIN ISOLATION LEVEL {level}", other)
            self.done(self.insert("muscles", level), other)
            self.done("COMMIT", other)
        self.assertEqual(self.versions(), {"grips": 3, "muscles": 4})

    def test_with_a_stale_snapshot_fails_also_when_it_had_to_wait(self):
        other = self.session()
        self.done("BEGIN")
        self.done(self.insert("grips", "A"))
        self.done("BEGIN ISOLATION LEVEL REPEATABLE READ", other)
        other.send(self.insert("muscles", "A"))
        self.waits(other)
        self.done("COMMIT")
        self.assertEqual(other.answer(), f"ERROR:  {STALE}")

    def test_that_only_reads_sees_the_version_of_the_rows_it_sees(self):
        reader = self.session()
        self.done("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", reader)
        self.assertEqual(self.version(reader), 0)
        self.done(self.insert("grips", "A"))
        self.assertEqual(reader.run("SELECT count(*) FROM grips"), "0")
        self.assertEqual(self.version(reader), 0)

    def test_cannot_deadlock_when_it_locks_the_counters_first(self):
        other = self.session()
        lock = "DO $$ BEGIN PERFORM FROM reference_metadata ORDER BY table_name FOR UPDATE; END $$"
        for sql in ("BEGIN", lock, self.insert("grips", "A")):
            self.done(sql)
        self.done("BEGIN", other)
        other.send(lock)
        self.waits(other)
        self.done(self.insert("muscles", "A"))
        self.done("COMMIT")
        self.assertEqual(other.answer(), "")
        for sql in (self.insert("muscles", "B"), self.insert("grips", "B"), "COMMIT"):
            self.done(sql, other)
        self.assertEqual(self.versions(), {"grips": 2, "muscles": 2})

    def test_never_shares_a_number_with_another_one(self):
        """Eight writers at once: as many numbers as commits, on three tables."""
        writers = [self.session() for _ in range(8)]
        rounds = 40
        for number, writer in enumerate(writers):
            table = ("grips", "muscles", "motions")[number % 3]
            script = [
                f"BEGIN;\n{self.insert(table, f'{number}-{n}')};\nUPDATE {table} SET icon = 'x'"
                f" WHERE id = '{number}-{n}';\nCOMMIT"
                for n in range(rounds)
            ]
            writer.send(";\n".join(script))
        for writer in writers:
            self.assertEqual(writer.answer(), "")
        self.assertEqual(self.version(), rounds * len(writers))

    def test_of_ten_thousand_statements_leaves_one_row_version(self):
        self.done(
            "DO $$ BEGIN FOR n IN 1..10000 LOOP"
            " INSERT INTO grips (id, label) VALUES (n, 'x'); END LOOP; END $$"
        )
        self.assertEqual(self.versions(), {"grips": 1})
        self.assertLess(int(self.db.run("SELECT pg_relation_size('reference_metadata')")), 65536)


class TheRecord(SchemaTest):
    def test_never_shows_a_change_as_older_than_an_earlier_one(self):
        self.done(
            "UPDATE reference_metadata SET last_updated = '2999-01-01' WHERE table_name = 'muscles'"
        )
        self.done("INSERT INTO grips (id, label) VALUES ('A', 'a')")
        self.assertEqual(
            self.db.run(
                "SELECT last_updated >= '2999-01-01' FROM reference_metadata"
                " WHERE table_name = 'grips'"
            ),
            "t",
        )

    def test_ignores_a_mark_that_a_session_carries_about(self):
        self.moves(
            1,
            "SET tablecast.numbered_transaction = '1'",
            "INSERT INTO grips (id, label) VALUES ('A', 'a')",
        )
        self.moves(1, "RESET tablecast.numbered_transaction", "UPDATE grips SET label = 'b'")

    def test_is_kept_for_editors_who_may_not_touch_it(self):
        editor = f"editor_{uuid.uuid4().hex[:8]}"
        self.addCleanup(self.server.run, f"DROP ROLE {editor}")
        self.addCleanup(self.db.run, f"RESET ROLE; DROP OWNED BY {editor}")
        self.done(f"CREATE ROLE {editor}")
        self.done(f"GRANT SELECT, INSERT ON grips TO {editor}")
        self.done(f"GRANT USAGE, CREATE ON SCHEMA public TO {editor}")
        self.done(f"SET ROLE {editor}")
        # A table and a function of the editor's own that would pass for ours if names were not fixed.
        self.done(
            "CREATE TEMPORARY TABLE reference_metadata"
            " (table_name text PRIMARY KEY, version_seq bigint, last_updated timestamptz)"
        )
        self.done("CREATE FUNCTION max(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'")
        self.done("SET search_path = pg_temp, public, pg_catalog")
        self.done("INSERT INTO grips (id, label) VALUES ('A', 'a')")
        self.assertEqual(self.db.run("SELECT count(*) FROM pg_temp.reference_metadata"), "0")
        self.refused(NO_RIGHT, "UPDATE public.reference_metadata SET version_seq = 0")
        self.done("CREATE TEMPORARY TABLE mine (id int)")
        self.refused(
            NO_RIGHT,
            "CREATE TRIGGER mine AFTER TRUNCATE ON mine EXECUTE FUNCTION public.record_table_change()",
        )
        self.done("RESET ROLE")
        self.done("RESET search_path")
        self.assertEqual(
            self.db.run(
                "SELECT version_seq FROM public.reference_metadata WHERE table_name = 'grips'"
            ),
            "1",
        )


class ARow(SchemaTest):
    def test_that_makes_no_sense_is_refused(self):
        for insert in (
            "grips (id, label) VALUES ('', 'a')",
            "grips (id, label) VALUES ('A ', 'a')",
            "grips (id, label, common_names) VALUES ('A', 'a', '\"one\"')",
            "grips (id, label, delta_rules) VALUES ('A', 'a', '[1]')",
            "grips (id, label, delta_rules) VALUES ('A', 'a', 'null')",
            "grips (id, label, rotation_path) VALUES ('A', 'a', '[]')",
            "grips (id, label, parent_id) VALUES ('A', 'a', 'A')",
            "grips (id, label, source_type) VALUES ('A', 'a', 'robot')",
            "motions (id, label, muscle_targets) VALUES ('A', 'a', '[]')",
            "motions (id, label, upper_lower) VALUES ('A', 'a', '{}')",
            "muscles (id, label, parent_ids) VALUES ('A', 'a', '\"CHEST\"')",
            "equipment (id, label, max_instances) VALUES ('A', 'a', 0)",
            "torso_angles (id, label, angle_range) VALUES ('A', 'a', '[15, 60]')",
        ):
            self.refused(CHECK, f"INSERT INTO {insert}")
        self.refused(FOREIGN_KEY, "INSERT INTO grips (id, label, parent_id) VALUES ('A', 'a', 'B')")
        self.refused(NOT_NULL, "INSERT INTO grips (id) VALUES ('A')")

    def test_as_real_editors_write_it_is_taken(self):
        for insert in (
            "grips (id, label, delta_rules, rotation_path, icon) VALUES ('A', 'a', '[]', '{}', '')",
            "grips (id, label, parent_id) VALUES ('B', 'b', 'C'), ('C', 'c', NULL)",
            "motions (id, label, upper_lower) VALUES ('A', 'a', '\"UPPER\"'), ('B', 'b', '[\"LOWER\"]')",
            "torso_angles (id, label, angle_range) VALUES"
            ' (\'DEG_NEG_60\', \'-60°\', \'{"min": -5, "max": -60, "step": 5, "default": -60}\')',
            "equipment_icons (id, value) VALUES ('BARBELL', '<svg/>')",
        ):
            self.done(f"INSERT INTO {insert}")


del SchemaTest  # The base class has no test of its own to run.

if __name__ == "__main__":
    unittest.main()
