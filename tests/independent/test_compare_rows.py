"""Equal rows pass however they are written; each difference is placed and named."""

import contextlib
import io
import json
import os
import shutil
import tempfile
import unittest

import compare_rows
from example import ROWS, write, write_snapshot


class CompareRows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.snapshot = os.path.join(folder, "snapshot")
        self.source = os.path.join(folder, "source")
        self.config = os.path.join(folder, "tablecast.toml")
        write(folder, "tablecast.toml", "")
        write_snapshot(self.snapshot)
        for key, rows in ROWS.items():
            self.write_source(key, [json.loads(row) for row in rows])

    def write_source(self, key, content):
        self.write_source_text(key, json.dumps(content, indent=2))

    def write_source_text(self, key, text):
        write(self.source, f"{key}.json", text)

    def compare(self, *options):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = compare_rows.main(["--config", self.config, *options, self.source, self.snapshot])
        return status, out.getvalue().splitlines()

    def grips(self, edit=None):
        rows = [json.loads(row) for row in ROWS["grips"]]
        if edit:
            edit(rows)
        return rows

    def assert_equal(self):
        status, lines = self.compare()
        self.assertEqual((status, lines[-1].split(":")[0]), (0, "equal"), lines)

    def assert_difference(self, edit, expected):
        self.write_source("grips", self.grips(edit))
        self.assertEqual(self.compare(), (1, [expected, "1 differences"]))

    def test_equal_rows(self):
        self.assertEqual(self.compare(), (0, ["equal: 3 tables, 32 rows, 129 fields"]))

    def test_another_spelling_of_the_same(self):
        def edit(rows):
            del rows[0]["parent_id"]
            rows[1]["_note"] = "ask Maria"
            rows[2]["source_type"] = "seed"
            rows.reverse()
            rows.append({"id": "GONE", "is_active": False})

        text = json.dumps(self.grips(edit)).replace('"sort_order": 2', '"sort_order": 0.2e1')
        self.write_source_text("grips", "\ufeff" + text)
        tracks = [json.loads(row) for row in ROWS["playlistTracks"]]
        tracks[0]["added"] = "2026-02-24T14:12:04+01:00"
        tracks[1]["added"] = "2026-02-24 13:12:04.500"
        self.write_source("playlistTracks", tracks)
        self.assert_equal()

    def test_a_field_that_the_database_fills_in_is_told(self):
        def edit(rows):
            for row in rows[:3]:
                del row["sort_order"]

        self.write_source("grips", self.grips(edit))
        status, lines = self.compare()
        self.assertEqual((status, lines[0]), (0, "grips.sort_order: filled in by the database: 1 (3 rows)"))

    def test_a_default_has_one_value(self):
        def edit(rows):
            for row in rows:
                del row["sort_order"]

        told = "grips.sort_order: filled in by the database: 1 (3 rows), 2 (1 rows)"
        self.assert_difference(edit, told)

    def test_a_changed_text(self):
        self.assert_difference(
            lambda rows: rows[0].update(label="neutral"),
            'grips: row "NEUTRAL": label is "Neutral", in the source "neutral"',
        )

    def test_white_space_counts(self):
        self.assert_difference(
            lambda rows: rows[2].update(label=" "), 'grips: row "ä": label is "", in the source " "'
        )

    def test_an_empty_text_is_not_null(self):
        self.assert_difference(
            lambda rows: rows[0].update(parent_id=""),
            'grips: row "NEUTRAL": parent_id is null, in the source ""',
        )

    def test_true_is_not_one(self):
        self.assert_difference(
            lambda rows: rows[0].update(is_active=1),
            'grips: row "NEUTRAL": is_active is true, in the source 1',
        )

    def test_a_nested_value(self):
        rows = [json.loads(row) for row in ROWS["muscles"]]
        rows[0]["targets"]["ARMS"]["BICEPS"] = 0.25
        self.write_source("muscles", rows)
        self.assertEqual(
            self.compare()[1][0],
            'muscles: row "M00": targets is {"ARMS":{"BICEPS":0.5,"_score":1}}, '
            'in the source {"ARMS":{"BICEPS":0.25,"_score":1}}',
        )

    def test_a_row_too_many_and_a_row_too_few(self):
        self.assert_difference(lambda rows: rows.pop(), 'grips: row "A": is not in the source, or not active there')
        self.assert_difference(
            lambda rows: rows.append({"id": "NEW", "is_active": True}), 'grips: row "NEW": is not in the snapshot'
        )

    def test_an_inactive_row_that_is_published(self):
        self.assert_difference(
            lambda rows: rows[0].update(is_active=False),
            'grips: row "NEUTRAL": is not in the source, or not active there',
        )

    def test_a_row_given_twice(self):
        self.assert_difference(lambda rows: rows.append(rows[0]), 'grips: in the source: "NEUTRAL" is there twice')

    def test_a_field_without_a_column(self):
        self.assert_difference(
            lambda rows: rows[0].update(colour="red"), 'grips: row "NEUTRAL": colour is in the source only'
        )

    def test_a_composite_key_tells_rows_apart(self):
        tracks = [json.loads(row) for row in ROWS["playlistTracks"]]
        tracks[0]["added"] = "2026-02-24T13:12:05Z"
        self.write_source("playlistTracks", tracks)
        self.assertEqual(len(self.compare()[1]), 2)
        self.assertIn("playlistTracks: row 2, 3: added is", self.compare()[1][0])

    def test_a_table_that_one_side_lacks(self):
        os.remove(os.path.join(self.source, "grips.json"))
        self.write_source("motions", [])
        lines = ["grips: only the snapshot has this table", "motions: only the source has this table"]
        self.assertEqual(self.compare(), (1, lines + ["2 differences"]))
        self.assertEqual(self.compare("--partial"), (0, lines + ["equal: 2 tables, 28 rows, 109 fields"]))

    def test_what_the_settings_pass_over_does_not_count(self):
        def edit(rows):
            rows[0].update(parent_id="none", colour="red", note_x=1)

        self.write_source("grips", self.grips(edit))
        self.write_source("drafts", [])
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(
                'ignore_files = ["drafts.json"]\nnote_prefix = "note_"\n[tables.grips]\n'
                'ignore_columns = ["colour"]\nnull_values = { parent_id = ["none"] }\n'
            )
        self.assert_equal()

    def test_a_table_that_is_the_database_s_own(self):
        os.remove(os.path.join(self.source, "grips.json"))
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("[tables.grips]\nfrom_file = false\n")
        self.assertEqual(self.compare()[0], 0)

    def test_a_map_file_fills_the_columns_that_the_settings_name(self):
        write_snapshot(
            self.snapshot,
            rows={"grips": ['{"id":"a","is_active":true,"label":"A","parent_id":"a","sort_order":0}']},
        )
        shutil.rmtree(self.source)
        self.write_source("grips", {"a": "A"})
        with open(self.config, "w", encoding="utf-8") as file:
            file.write('[tables.grips]\nmap_key = ["id", "parent_id"]\nmap_value = "label"\n')
        self.assert_equal()
        self.write_source("grips", {"a": {"label": "B", "sort_order": 0}})
        self.assertIn('grips: row "a": label is "A", in the source "B"', self.compare()[1])


if __name__ == "__main__":
    unittest.main()
