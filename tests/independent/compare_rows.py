#!/usr/bin/env python3
"""Compares the rows of source files with those of a snapshot, field by field.

    python3 tests/independent/compare_rows.py [--config tablecast.toml] [--partial] SOURCE SNAPSHOT

The settings are those by which the publisher reads the files: ignore_files,
note_prefix, and for a table map_key, map_value, ignore_columns, null_values and
from_file. What counts as equal: numbers by value, timestamps by instant, uuids in either case,
a missing field and null; everything else only if it is the same. Rows whose is_active is false are
absent from the snapshot, source_type is never published, a field that begins with
the note_prefix ("_") is an editor's note. Where a file leaves out a column that cannot be null, the
database fills it in: with one value for the whole column, which is told.

--partial lets tables that only one side has pass, and tells them.
Prints each difference on a line of its own. Exit status: 0 equal, 1 not, 2 usage.
"""

import argparse
import glob
import os
import re
import sys
from datetime import datetime, timezone

from canonical import Number, parse, render


def main(arguments):
    options = parse_arguments(arguments)
    settings = read_settings(options.config)
    source = read_source(options.source, settings.get("ignore_files", []))
    comparison = Comparison(settings)
    comparison.run(source, read_snapshot(options.snapshot), options.partial)
    for line in comparison.notes + comparison.differences:
        print(line)
    if comparison.differences:
        print(f"{len(comparison.differences)} differences")
        return 1
    print(f"equal: {comparison.tables} tables, {comparison.rows} rows, {comparison.fields} fields")
    return 0


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="SOURCE", help="the folder of <tableKey>.json files")
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="the folder that holds version.json")
    parser.add_argument("--config", help="a tablecast.toml (default: that of the working directory)")
    parser.add_argument("--partial", action="store_true", help="compare the tables that both have")
    return parser.parse_args(arguments)


def read_settings(path):
    if path is None and not os.path.exists("tablecast.toml"):
        return {}
    # In Python since 3.11.
    import tomllib

    with open(path or "tablecast.toml", "rb") as file:
        return tomllib.load(file)


def read_source(folder, ignore_files):
    """What each file holds: a list of rows, or a map."""
    source = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        if os.path.basename(path) in ignore_files:
            continue
        with open(path, encoding="utf-8-sig") as file:
            source[os.path.basename(path)[: -len(".json")]] = parse(file.read())
    return source


def read_snapshot(folder):
    """Each table's manifest entry and rows, found as a reader finds them."""

    def read(path):
        with open(os.path.join(folder, path), encoding="utf-8") as file:
            return parse(file.read())

    manifest = read(f"manifests/{read('version.json')['manifest']['hash']}.json")
    return {
        key: (entry, read(f"tables/{key}/{entry['hash']}.json")["rows"])
        for key, entry in manifest["tables"].items()
    }


class Comparison:
    """Finds what differs; `differences` and `notes` have a line for each thing."""

    def __init__(self, settings):
        self.settings = settings.get("tables", {})
        self.note_prefix = settings.get("note_prefix", "_")
        self.differences = []
        self.notes = []
        self.tables = self.rows = self.fields = 0
        # What the database put where the files say nothing: column -> text -> count.
        self.filled = {}

    def run(self, source, snapshot, partial):
        for key in sorted(source.keys() | snapshot.keys()):
            if key in source and key in snapshot:
                self.compare_table(key, source[key], *snapshot[key])
            else:
                side = "the source" if key in source else "the snapshot"
                empty = key in snapshot and not snapshot[key][1]
                meant = self.settings.get(key, {}).get("from_file") is False
                lines = self.notes if partial or empty or meant else self.differences
                lines.append(f"{key}: only {side} has this table")
        for place, values in sorted(self.filled.items()):
            told = ", ".join(f"{text} ({count} rows)" for text, count in sorted(values.items()))
            lines = self.notes if len(values) == 1 else self.differences
            lines.append(f"{place}: filled in by the database: {told}")

    def compare_table(self, key, content, entry, published):
        self.tables += 1
        primary_key = entry["primaryKey"]
        columns = entry["columns"]
        expected = {}
        for row in self.rows_of(key, content, primary_key):
            row = self.without_what_is_passed_over(key, row)
            if row.get("is_active") is False:
                continue
            self.add(f"{key}: in the source", expected, row, primary_key, columns)
        actual = {}
        for row in published:
            self.add(f"{key}: in the snapshot", actual, row, primary_key, columns)
        for name in sorted(expected.keys() - actual.keys()):
            self.differ(key, name, "is not in the snapshot")
        for name in sorted(actual.keys() - expected.keys()):
            self.differ(key, name, "is not in the source, or not active there")
        for name in sorted(expected.keys() & actual.keys()):
            self.rows += 1
            self.compare_row(key, name, expected[name], actual[name], columns)

    def rows_of(self, key, content, primary_key):
        """The rows of a file; an entry of a map becomes a row."""
        if isinstance(content, list):
            return content
        settings = self.settings.get(key, {})
        key_columns = settings.get("map_key", primary_key)
        value_column = settings.get("map_value", "value")
        rows = []
        for name, value in content.items():
            row = dict(value) if isinstance(value, dict) else {value_column: value}
            row.update((column, name) for column in key_columns)
            rows.append(row)
        return rows

    def without_what_is_passed_over(self, key, row):
        settings = self.settings.get(key, {})
        nulls = settings.get("null_values", {})
        return {
            field: None if isinstance(value, str) and value in nulls.get(field, []) else value
            for field, value in row.items()
            if field != "source_type"
            and field not in settings.get("ignore_columns", [])
            and not (self.note_prefix and field.startswith(self.note_prefix))
        }

    def add(self, place, rows, row, primary_key, columns):
        name = tuple(
            render(canonical_value(columns[column], row.get(column))) for column in primary_key
        )
        if name in rows:
            self.differences.append(f"{place}: {', '.join(name)} is there twice")
        rows[name] = row

    def compare_row(self, key, name, expected, actual, columns):
        if "source_type" in actual:
            self.differ(key, name, "publishes source_type")
        for field in expected:
            if field not in columns:
                self.differ(key, name, f"{field} is in the source only")
        for column, sql_type in columns.items():
            self.fields += 1
            self.compare_field(key, name, column, sql_type, expected, actual)

    def compare_field(self, key, name, column, sql_type, expected, actual):
        if column not in actual:
            return self.differ(key, name, f"{column} is not in the snapshot")
        wanted = canonical_value(sql_type, expected.get(column))
        got = canonical_value(sql_type, actual[column])
        if wanted is None and got is not None and not sql_type.endswith("?"):
            values = self.filled.setdefault(f"{key}.{column}", {})
            values[describe(got)] = values.get(describe(got), 0) + 1
        elif not equal(wanted, got):
            self.differ(key, name, f"{column} is {describe(got)}, in the source {describe(wanted)}")

    def differ(self, key, name, what):
        self.differences.append(f"{key}: row {', '.join(name)}: {what}")


NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


def canonical_value(sql_type, value):
    """One form for the spellings of a value that a column of that type takes for the same."""
    if not isinstance(value, str):
        return value
    if sql_type.startswith(NUMBERS) and re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", value):
        return Number(value)
    if sql_type.startswith("timestamp"):
        return instant(value)
    if sql_type == "uuid":
        return value.lower()
    if sql_type.startswith("character("):
        return value.rstrip(" ")
    return value


def instant(text):
    """A timestamp as the format writes it; without a zone it is UTC."""
    digits = re.sub(r"(\.\d+)", lambda match: match.group(1)[:7].ljust(7, "0"), text, count=1)
    moment = datetime.fromisoformat(digits.replace("Z", "+00:00"))
    if moment.tzinfo:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")


def equal(a, b):
    """Equal as JSON, with numbers by value: true is not 1, "1" is not 1."""
    if isinstance(a, Number) and isinstance(b, Number):
        return a.value == b.value
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b


def describe(value):
    text = value.text if isinstance(value, Number) else render(value)
    return text if len(text) <= 120 else text[:117] + "..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
