#!/usr/bin/env python3
"""Makes Chinook, a well-known sample database, into a project for the publisher.

    python3 tests/chinook/make.py ChinookData.json Chinook_PostgreSql.sql FOLDER

ChinookData.json holds the rows, {"MediaType": [{"MediaTypeId": 1, ...}]}; they become
FOLDER/json-source/mediaType.json and so on, with the column names of the SQL. Of the SQL
only what makes tables, constraints and indexes becomes FOLDER/sql/migrations/. Nothing
here knows a table's name.
"""

import json
import os
import re
import sys

MADE = ("CREATE TABLE", "ALTER TABLE", "CREATE INDEX")

# A string, a comment, or one other character; in this order, so that the `;` within
# strings and comments ends nothing.
TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|[^'/\-;]+|.", re.DOTALL)


def main(data, schema, folder):
    with open(data, encoding="utf-8-sig") as file:
        tables = json.load(file)
    source = os.path.join(folder, "json-source")
    migrations = os.path.join(folder, "sql", "migrations")
    os.makedirs(source, exist_ok=True)
    os.makedirs(migrations, exist_ok=True)
    for name, rows in tables.items():
        rows = [{snake_case(column): value for column, value in row.items()} for row in rows]
        with open(os.path.join(source, f"{name[0].lower()}{name[1:]}.json"), "w", encoding="utf-8") as file:
            json.dump(rows, file, ensure_ascii=False, indent=1)
    with open(schema, encoding="utf-8-sig") as file:
        made = [text for text in statements(file.read()) if text.upper().startswith(MADE)]
    with open(os.path.join(migrations, "V0001__create_tables.sql"), "w", encoding="utf-8") as file:
        file.write("".join(f"{text};\n" for text in made))


def snake_case(name):
    """InvoiceLineId -> invoice_line_id"""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def statements(sql):
    statement = []
    for token in TOKEN.findall(sql):
        if token == ";":
            yield "".join(statement).strip()
            statement = []
        elif not token.startswith(("--", "/*")):
            statement.append(token)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
