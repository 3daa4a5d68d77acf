"""A sound snapshot passes; each kind of damage is found, placed and named."""

import copy
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from check_snapshot import SnapshotCheck
from example import COLUMNS, ROWS, write, write_snapshot

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_snapshot.py")


class CheckSnapshot(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)

    def faults(self):
        check = SnapshotCheck(self.root)
        check.run()
        return check.faults

    def one(self, pattern):
        """The one file that a pattern finds."""
        (path,) = glob.glob(os.path.join(self.root, pattern))
        return path

    def assert_fault(self, place, what):
        faults = self.faults()
        found = any(place in fault and what in fault for fault in faults)
        self.assertTrue(found, f"no fault with {place!r} and {what!r} in {faults}")

    def assert_row_fault(self, table, rows, what):
        write_snapshot(self.root, rows={**ROWS, table: rows})
        faults = self.faults()
        self.assertTrue(faults, "no fault was found")
        for fault in faults:
            self.assertIn(f"tables/{table}/", fault)
        self.assertIn(what, faults[0])

    # --- sound ---

    def test_a_sound_snapshot_has_no_fault(self):
        write_snapshot(self.root)
        self.assertEqual(self.faults(), [])

    def test_an_empty_table_is_sound(self):
        write_snapshot(self.root, rows={**ROWS, "grips": []})
        self.assertEqual(self.faults(), [])

    def test_a_history_is_sound_and_its_shared_objects_are_judged_once(self):
        write_snapshot(self.root, sequence=1)
        write_snapshot(self.root, rows={**ROWS, "grips": ROWS["grips"][:2]}, sequence=2)
        check = SnapshotCheck(self.root)
        check.run()
        self.assertEqual(check.faults, [])
        self.assertEqual(check.summary(), "2 versions, 8 objects, 34 rows, 9 variants")

    def test_an_object_that_no_version_names_is_no_fault(self):
        write_snapshot(self.root)
        text = "[]"
        name = subprocess.run(["b3sum", "--no-names"], input=text.encode(), stdout=subprocess.PIPE, check=True)
        write(self.root, f"tables/grips/{name.stdout.decode().strip()}.json", text)
        self.assertEqual(self.faults(), [])

    def test_the_program_tells_by_its_exit_status(self):
        def run(*arguments):
            command = [sys.executable, PROGRAM, *arguments]
            return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

        write_snapshot(self.root)
        sound = run(self.root)
        self.assertEqual(sound.returncode, 0, sound)
        self.assertIn(b"is sound: 1 versions, 5 objects, 32 rows, 6 variants", sound.stdout)
        os.remove(self.one("tables/grips/*.json"))
        damaged = run(self.root)
        self.assertEqual(damaged.returncode, 1)
        self.assertIn(b"which is missing", damaged.stdout)
        self.assertEqual(run().returncode, 2)

    # --- files ---

    def test_a_folder_without_a_version(self):
        self.assert_fault("version.json", "is missing")

    def test_a_changed_byte(self):
        write_snapshot(self.root)
        path = self.one("tables/grips/*.json")
        with open(path, "r+b") as file:
            file.seek(70)
            file.write(b"#")
        self.assert_fault("tables/grips/", "its BLAKE3 is")
        self.assert_fault("manifests/", "sha256 is not that of")

    def test_a_missing_object(self):
        write_snapshot(self.root)
        os.remove(self.one("bootstrap/*.json"))
        self.assert_fault("manifests/", "names bootstrap/")

    def test_a_missing_manifest(self):
        write_snapshot(self.root)
        os.remove(self.one("manifests/*.json"))
        self.assert_fault("version.json", "which is missing")

    def test_a_missing_variant(self):
        for suffix in ("zst", "br", "gz"):
            write_snapshot(self.root)
            os.remove(self.one(f"tables/muscles/*.{suffix}"))
            self.assert_fault(f".json.{suffix}", "is missing")

    def test_a_variant_of_something_else(self):
        write_snapshot(self.root)
        for suffix in ("zst", "br", "gz"):
            shutil.copy(self.one(f"bootstrap/*.{suffix}"), self.one(f"tables/muscles/*.{suffix}"))
            self.assert_fault(f".json.{suffix}", "does not unpack to its object")

    def test_a_variant_cut_short_or_with_a_tail(self):
        for suffix in ("zst", "br", "gz"):
            write_snapshot(self.root)
            path = self.one(f"tables/muscles/*.{suffix}")
            with open(path, "rb") as file:
                whole = file.read()
            for damaged in (whole[:-1], whole + b"tail", b""):
                with open(path, "wb") as file:
                    file.write(damaged)
                self.assert_fault(f".json.{suffix}", "does not unpack to its object")

    def test_a_variant_of_a_small_object(self):
        write_snapshot(self.root)
        path = self.one("tables/grips/*.json") + ".gz"
        with open(path, "wb") as file:
            file.write(b"x")
        self.assert_fault(".json.gz", "stands beside an object of only")

    def test_a_file_of_another_kind(self):
        write_snapshot(self.root)
        write(self.root, "tables/grips/notes.txt", "")
        self.assert_fault("tables/grips/notes.txt", "has no place in the format")

    # --- version and manifest ---

    def test_a_version_that_is_too_large(self):
        write_snapshot(self.root, edit_version=lambda version: version.update(publishedAt="x" * 1024))
        self.assert_fault("version.json", "at most 1024 are allowed")

    def test_version_fields_are_exactly_those_of_the_format(self):
        for edit, what in (
            (lambda v: v.update(extra=1), "extra is not a field of the format"),
            (lambda v: v.pop("schemaVersion"), "schemaVersion is missing"),
            (lambda v: v.update(referenceVersion="42"), "referenceVersion is '42'"),
            (lambda v: v.update(generatedAt="2026-02-24T13:12:04.5Z"), "generatedAt is"),
            (lambda v: v.update(epoch=True), "epoch is True"),
            (lambda v: v["manifest"].update(sha256="x"), "manifest: sha256 is not a field"),
        ):
            write_snapshot(self.root, edit_version=edit)
            self.assert_fault("version.json", what)

    def test_a_rollback_says_where_it_points_back_at(self):
        write_snapshot(self.root, edit_version=lambda version: version.update(rollback={"epoch": 1, "sequence": 2}))
        self.assertEqual(self.faults(), [])
        write_snapshot(self.root, edit_version=lambda version: version.update(rollback={"epoch": 1}))
        self.assert_fault("version.json", "sequence is missing")

    def test_a_version_that_contradicts_its_manifest(self):
        for edit, what in (
            (lambda v: v["manifest"].update(size=1), "says that the manifest has 1 bytes"),
            (lambda v: v["bootstrap"].update(size=1), "another bootstrap size"),
            (lambda v: v.update(referenceVersion="seq:8"), "referenceVersion is 'seq:8', in its manifest 'seq:7'"),
        ):
            write_snapshot(self.root, edit_version=edit)
            self.assert_fault("version.json", what)

    def test_a_history_without_the_current_version(self):
        write_snapshot(self.root)
        os.remove(self.one("versions/*.json"))
        self.assert_fault("versions/1771938724-1.json", "is missing")

    def test_a_version_older_than_its_history(self):
        write_snapshot(self.root, sequence=2)
        write_snapshot(self.root, sequence=1)
        self.assert_fault("version.json", "is older than versions/1771938724-2.json")

    def test_a_page_of_history_under_another_number(self):
        write_snapshot(self.root)
        shutil.copy(self.one("versions/*-1.json"), os.path.join(self.root, "versions/1771938724-0.json"))
        self.assert_fault("versions/1771938724-0.json", "not those of its name")

    def test_a_manifest_that_is_wrong(self):
        def in_grips(**fields):
            return lambda manifest: manifest["tables"]["grips"].update(fields)

        for edit, what in (
            (in_grips(rows=3), "in the manifest 3"),
            (in_grips(size=3), "has 3 bytes, not"),
            (in_grips(sha256="0" * 64), "sha256 is not that of"),
            (in_grips(versionSeq=8), "versionSeq is higher"),
            (in_grips(primaryKey=["name"]), "are not columns of it"),
            (in_grips(schemaFingerprint="0" * 16), "schemaFingerprint is not"),
            (in_grips(later=1), "later is not a field of the format"),
            (lambda m: m.update(contentHash="0" * 64), "contentHash is not"),
            (lambda m: m.update(formatVersion=2), "formatVersion is 1, in its manifest 2"),
            (lambda m: m["tables"].pop("grips"), "differs in the name of muscles"),
            (lambda m: m["tables"].update(grips=m["tables"].pop("grips")), "not in key order"),
            (lambda m: m["tables"].update({"a-b": m["tables"]["grips"]}), "'a-b' is no table key"),
        ):
            write_snapshot(self.root, edit_manifest=edit)
            self.assert_fault("", what)

    # --- rows ---

    def test_a_row_that_is_not_canonical(self):
        first, *others = ROWS["grips"]
        for row in (
            first.replace(":1}", ":1.0}"),
            first.replace(",", ", "),
            first.replace("Neutral", "\\u004eeutral"),
            first.replace("Neutral", "a\\/b"),
            '{"is_active":true,"id":"NEUTRAL","label":"","parent_id":null,"sort_order":1}',
        ):
            self.assert_row_fault("grips", [row, *others], "row 1: not canonical at byte")

    def test_a_row_that_is_not_json(self):
        first, *others = ROWS["grips"]
        for row, what in (
            (first.replace("null", "NaN"), "NaN is not JSON"),
            (first.replace('"label"', '"id"'), "key 'id' is given twice"),
            (first[:-1], "row 1"),
            (first.replace("Neutral", "\\ud800"), "surrogates not allowed"),
        ):
            self.assert_row_fault("grips", [row, *others], what)

    def test_a_number_that_no_double_holds(self):
        rows = [ROWS["muscles"][0].replace("0.1", "9007199254740993"), *ROWS["muscles"][1:]]
        self.assert_row_fault("muscles", rows, "not canonical")

    def test_a_row_without_a_column(self):
        first, *others = ROWS["grips"]
        rows = [first.replace('"parent_id":null,', ""), *others]
        self.assert_row_fault("grips", rows, "its keys are not the table's columns")

    def test_a_null_that_the_manifest_excludes(self):
        first, *others = ROWS["grips"]
        self.assert_row_fault("grips", [first.replace('"Neutral"', "null"), *others], "label is null")

    def test_a_value_of_another_type(self):
        first, *others = ROWS["grips"]
        rows = [first.replace('"sort_order":1', '"sort_order":true'), *others]
        self.assert_row_fault("grips", rows, "sort_order is True, though its type is integer")

    def test_a_number_that_is_a_text_of_another_kind(self):
        first, *others = ROWS["grips"]
        rows = [first.replace('"sort_order":1', '"sort_order":"one"'), *others]
        self.assert_row_fault("grips", rows, "row 1: cannot be ordered")

    def test_an_inactive_row(self):
        first, *others = ROWS["grips"]
        self.assert_row_fault("grips", [first.replace("true", "false"), *others], "is not active")

    def test_rows_out_of_order(self):
        for table in ROWS:
            rows = list(reversed(ROWS[table]))
            self.assert_row_fault(table, rows, "row 2: stands after a row that it should precede")

    def test_a_primary_key_twice(self):
        rows = [ROWS["grips"][0], *ROWS["grips"]]
        self.assert_row_fault("grips", rows, 'row 2: primary key "NEUTRAL" was there before')

    def test_two_rows_on_a_line(self):
        first, second, *others = ROWS["grips"]
        self.assert_row_fault("grips", [f"{first},{second}", *others], "row 1")

    def test_many_faults_of_one_table_are_told_in_few_lines(self):
        write_snapshot(self.root, rows={**ROWS, "muscles": [row + " " for row in ROWS["muscles"]]})
        self.assertEqual(len(self.faults()), 6)

    def test_a_published_source_type(self):
        columns = copy.deepcopy(COLUMNS)
        columns["grips"]["source_type"] = "text"
        rows = [row.replace("}", ',"source_type":"seed"}') for row in ROWS["grips"]]
        write_snapshot(self.root, rows={**ROWS, "grips": rows}, columns=columns)
        self.assert_fault("grips", "publishes source_type")

    # --- bootstrap ---

    def test_a_bootstrap_of_other_rows(self):
        rows = {**ROWS, "grips": ROWS["grips"][:3]}
        write_snapshot(self.root, rows=rows)
        path = self.one("bootstrap/*.json")
        with open(path, "rb") as file:
            other = file.read()
        write_snapshot(self.root)
        for path in glob.glob(os.path.join(self.root, "bootstrap/*.json")):
            with open(path, "wb") as file:
                file.write(other)
        self.assert_fault("bootstrap/", "differs in the rows of grips")

    def test_a_table_that_is_left_out_of_the_bootstrap(self):
        def leave_out(manifest):
            manifest["tables"]["playlistTracks"]["inBootstrap"] = False

        write_snapshot(self.root, edit_manifest=leave_out)
        self.assert_fault("bootstrap/", "differs in its end")


if __name__ == "__main__":
    unittest.main()
