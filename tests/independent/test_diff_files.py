"""What two folders differ by is told as it is, and whatever is told otherwise is found."""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import unittest

import diff_files
from example import write

SQL = """-- Ways to hold.
CREATE TABLE exercise_grips (
    id          text PRIMARY KEY CHECK (id <> ''),
    label       text NOT NULL,
    rules       jsonb NOT NULL DEFAULT '{}',
    level       integer,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed'
);
"""

OLD = [
    {"id": "A", "label": "one", "rules": {"x": 1.0}, "_note": "ask"},
    {"id": "B", "label": "two", "level": 2},
    {"id": "C", "label": "three"},
    {"id": "D", "label": "four", "is_active": False},
]
NEW = [
    {"id": "A", "label": "one", "rules": {"x": 1}},
    {"id": "B", "label": "2", "level": None},
    {"id": "D", "label": "four", "is_active": True},
]


def told():
    """What a true report says."""
    row = {"rules": {}, "level": None, "is_active": True}
    return {
        "tables": [
            {
                "table": "exerciseGrips",
                "rows": {"added": 1, "removed": 1, "changed": 1, "unchanged": 1},
                "more": 0,
                "changes": [
                    {
                        "change": "changed",
                        "key": {"id": "B"},
                        "columns": [
                            {"column": "label", "from": "two", "to": "2"},
                            {"column": "level", "from": 2, "to": None},
                        ],
                    },
                    {"change": "removed", "key": {"id": "C"}, "row": {"id": "C", "label": "three", **row}},
                    {"change": "added", "key": {"id": "D"}, "row": {"id": "D", "label": "four", **row}},
                ],
            }
        ]
    }


class DiffFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        write(os.path.join(self.folder, "sql"), "V0001__grips.sql", SQL)
        write(self.folder, "tablecast.toml", "")
        for name, rows in (("old", OLD), ("new", NEW)):
            write(os.path.join(self.folder, name), "exerciseGrips.json", json.dumps(rows))

    def judge(self, report):
        at = lambda name: os.path.join(self.folder, name)
        config = at("tablecast.toml")
        arguments = ["--sql", at("sql"), "--from-config", config, "--to-config", config, at("old"), at("new")]
        out = io.StringIO()
        held, sys.stdin = sys.stdin, io.StringIO(json.dumps(report))
        try:
            with contextlib.redirect_stdout(out):
                status = diff_files.main(arguments)
        finally:
            sys.stdin = held
        return status, out.getvalue().splitlines()

    def assert_found(self, edit, *expected):
        report = told()
        edit(report["tables"][0])
        self.assertEqual(self.judge(report), (1, list(expected)))

    def test_a_true_report(self):
        self.assertEqual(self.judge(told()), (0, ["agree: 1 tables, 3 rows"]))

    def test_a_row_that_is_not_told(self):
        def edit(table):
            table["changes"].pop()
            table["rows"]["added"] = 0

        self.assert_found(edit, 'exerciseGrips: row "D": differs, and is not told')

    def test_a_row_that_does_not_differ(self):
        def edit(table):
            table["changes"].append({"change": "removed", "key": {"id": "A"}, "row": {}})
            table["rows"]["removed"] = 2

        self.assert_found(edit, 'exerciseGrips: row "A": is told, and does not differ')

    def test_a_column_that_is_not_told(self):
        edit = lambda table: table["changes"][0]["columns"].pop()
        self.assert_found(edit, 'exerciseGrips: row "B": level: not told, 2 -> null')

    def test_another_value(self):
        def edit(table):
            table["changes"][0]["columns"][0]["from"] = "zwei"
            table["changes"][2]["row"]["label"] = "vier"

        self.assert_found(
            edit,
            'exerciseGrips: row "B": label: told with other values',
            'exerciseGrips: row "D": is told otherwise',
        )

    def test_numbers_that_are_not_those_of_the_rows(self):
        report = told()
        report["tables"][0]["rows"]["added"] = 7
        with self.assertRaises(SystemExit):
            self.judge(report)


if __name__ == "__main__":
    unittest.main()
