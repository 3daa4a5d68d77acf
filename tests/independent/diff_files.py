#!/usr/bin/env python3
"""Compares two folders of source files, and that with what `publisher diff --json` says.

    publisher diff 1 2 --json --limit 1000000 |
    python3 tests/independent/diff_files.py --sql sql/migrations \\
        --from-config OLD.toml --to-config NEW.toml OLD NEW

The files say which rows there are; CREATE TABLE in the migrations, which columns a table
has and what stands in one that a file leaves out. Rows whose is_active is false are not
there; source_type is never published. Nothing else is asked: no database, no snapshot.
Prints each disagreement on a line of its own. Exit status: 0 they agree, 1 they do not.
"""

import argparse
import glob
import os
import re
import sys

from canonical import parse, render
from compare_rows import Comparison, canonical_value, describe, equal, read_settings, read_source


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sql", required=True)
    parser.add_argument("--from-config")
    parser.add_argument("--to-config")
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    options = parser.parse_args(arguments)
    schema = read_schema(options.sql)
    old = read_state(options.old, options.from_config, schema)
    new = read_state(options.new, options.to_config, schema)
    expected = differences(old, new)
    said = claims(parse(sys.stdin.read()))
    wrong = disagreements(expected, said)
    for line in wrong:
        print(line)
    if wrong:
        return 1
    rows = sum(len(changes) for changes in expected.values())
    print(f"agree: {len(expected)} tables, {rows} rows")
    return 0


def read_schema(folder):
    """table key -> column -> (SQL type, what stands there where nothing is said)."""
    schema = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.sql"))):
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"--[^\n]*", "", file.read())
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", text, re.DOTALL):
            if name == "reference_metadata":
                continue
            key = re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)
            columns = {}
            for column, sql_type, rest in re.findall(
                r"^    (\w+) +(text|boolean|integer|numeric|jsonb)\b(.*)$", body, re.MULTILINE
            ):
                default = re.search(r"DEFAULT (?:'([^']*)'|(\w+))", rest)
                value = default and (default.group(1) if default.group(2) is None else default.group(2))
                if value is not None and sql_type != "text":
                    value = parse(value)
                columns[column] = (sql_type, value)
            schema[key] = columns
    return schema


def read_state(folder, config, schema):
    """table key -> primary key -> column -> value, of the rows that are published."""
    settings = read_settings(config)
    comparison = Comparison(settings)
    source = read_source(folder, settings.get("ignore_files", []))
    state = {}
    for table, columns in schema.items():
        rows = state[table] = {}
        for row in comparison.rows_of(table, source.get(table, []), ["id"]):
            row = comparison.without_what_is_passed_over(table, row)
            if row.get("is_active") is False:
                continue
            full = {}
            for column, (sql_type, default) in columns.items():
                value = row.get(column)
                full[column] = canonical_value(sql_type, default if value is None else value)
            full.pop("source_type", None)
            rows[identity(table, full)] = full
    return state


def identity(table, row):
    # The icons are the one table whose key has another name.
    return render(row["id"] if "id" in row else row["equipment_id"])


def differences(old, new):
    """table -> primary key -> (old row or None, new row or None)"""
    found = {}
    for table in new:
        changes = {}
        for key in old[table].keys() | new[table].keys():
            before, after = old[table].get(key), new[table].get(key)
            if before is None or after is None or not equal(before, after):
                changes[key] = (before, after)
        if changes:
            found[table] = changes
    return found


def claims(report):
    """What the report says, in the same form; a changed row by its changed columns."""
    said = {}
    for table in report["tables"]:
        if table["more"].text != "0":
            sys.exit("the report does not show every row")
        changes = said[table["table"]] = {}
        for row in table["changes"]:
            key = ", ".join(render(value) for value in row["key"].values())
            if row["change"] == "added":
                changes[key] = (None, row["row"])
            elif row["change"] == "removed":
                changes[key] = (row["row"], None)
            else:
                columns = row["columns"]
                changes[key] = (
                    {change["column"]: change["from"] for change in columns},
                    {change["column"]: change["to"] for change in columns},
                )
        counts = table["rows"]
        if int(counts["added"].text) + int(counts["removed"].text) + int(counts["changed"].text) != len(changes):
            sys.exit(f"{table['table']}: the report's numbers are not those of its rows")
    return said


def disagreements(expected, said):
    wrong = []
    for table in sorted(expected.keys() | said.keys()):
        ours, theirs = expected.get(table, {}), said.get(table, {})
        for key in sorted(ours.keys() | theirs.keys()):
            place = f"{table}: row {key}"
            if key not in theirs:
                wrong.append(f"{place}: differs, and is not told")
            elif key not in ours:
                wrong.append(f"{place}: is told, and does not differ")
            else:
                wrong += row_disagreements(place, ours[key], theirs[key])
    return wrong


def row_disagreements(place, ours, theirs):
    before, after = ours
    if before is None or after is None:
        return [] if equal(pair(ours), pair(theirs)) else [f"{place}: is told otherwise"]
    if None in theirs:
        return [f"{place}: is there on both sides, and is not told so"]
    wrong = []
    for column in sorted(before.keys() | theirs[0].keys()):
        told = column in theirs[0]
        differs = not equal(before.get(column), after.get(column))
        if told != differs:
            wrong.append(f"{place}: {column}: {'told' if told else 'not told'}, {describe(before.get(column))} -> {describe(after.get(column))}")
        elif told and not equal([before[column], after[column]], [theirs[0][column], theirs[1][column]]):
            wrong.append(f"{place}: {column}: told with other values")
    return wrong


def pair(rows):
    return [row if row is None else dict(row) for row in rows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
