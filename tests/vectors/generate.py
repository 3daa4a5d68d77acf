#!/usr/bin/env python3
"""Writes the vectors: examples of the snapshot format that every implementation must pass.

    python3 tests/vectors/generate.py                   writes the files beside this one
    python3 tests/vectors/generate.py --check           compares them instead
    python3 tests/vectors/generate.py --capture DSN     also asks PostgreSQL for its bytes anew

Not a line of the project's own code stands behind an expected value: exact fractions say
whether a number survives a double, repr() gives a double's shortest digits, hashlib and
`b3sum` hash, and what a value of PostgreSQL means is read from the text that PostgreSQL
prints, where our code reads the binary format. README.md says what each file holds.
"""

import argparse
import base64
import csv
import hashlib
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "independent"))

from canonical import parse, render, render_number, render_string  # noqa: E402

MAX_SAFE_INTEGER = 2**53 - 1
# How deep a JSON text may nest, and a json or jsonb value of a published row.
MAX_DEPTH = 128
MAX_VALUE_DEPTH = 100


class Refused(Exception):
    """A value without a published form; the argument is the kind of refusal."""


def expect(key, function, *arguments):
    """{key: result}, or {"refused": kind}."""
    try:
        return {key: function(*arguments)}
    except Refused as refusal:
        return {"refused": str(refusal)}


# --- numbers ---


def decimal(text):
    """The canonical form of a decimal, where a double holds its very value."""
    if not re.fullmatch(r"-?\d*\.?\d*([eE][-+]?\d+)?", text):
        raise Refused("not-finite")
    mantissa, _, exponent = text.lower().partition("e")
    if not re.search("[1-9]", mantissa):
        return "0"
    # Beyond these no double is near, and a Fraction would fill the memory.
    if len(exponent) > 6 or abs(int(exponent or 0)) > 100_000:
        raise Refused("inexact" if exponent.startswith("-") else "unsafe-integer")
    try:
        double = float(text)
    except OverflowError:
        raise Refused("unsafe-integer")
    if abs(double) > MAX_SAFE_INTEGER:
        raise Refused("unsafe-integer")
    # Zero first: a Fraction of 16,000 digits is slow, and Python limits them.
    if double == 0 or Fraction(render_number(double)) != Fraction(text):
        raise Refused("inexact")
    return render_number(double)


def double_text(text):
    """What PostgreSQL printed for a double precision."""
    if text in ("NaN", "Infinity", "-Infinity"):
        raise Refused("not-finite")
    return render_number(float(text))


def single_text(text):
    """What PostgreSQL printed for a real; whole numbers exactly, which it does not print beyond 2^24."""
    if text in ("NaN", "Infinity", "-Infinity"):
        raise Refused("not-finite")
    (value,) = struct.unpack(">f", struct.pack(">f", float(text)))
    if value == int(value) and abs(value) <= MAX_SAFE_INTEGER:
        return render_number(value)
    return render_number(float(text))


def integer(text):
    if abs(int(text)) > MAX_SAFE_INTEGER:
        raise Refused("unsafe-integer")
    return str(int(text))


# --- canonical JSON ---


def canonical_json(text, max_depth=MAX_DEPTH):
    try:
        value = parse(text)
    except ValueError as error:
        raise Refused("duplicate-key" if "twice" in str(error) else "syntax")
    except RecursionError:
        raise Refused("depth")
    check_value(value, 0, max_depth)
    return render(value)


def check_value(value, depth, max_depth):
    if isinstance(value, str):
        if "\0" in value:
            raise Refused("nul")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Refused("lone-surrogate")
    elif isinstance(value, (list, dict)):
        if depth == max_depth:
            raise Refused("depth")
        for part in value:
            check_value(part, depth + 1, max_depth)
        if isinstance(value, dict):
            for part in value.values():
                check_value(part, depth + 1, max_depth)
    elif value is not None and value is not True and value is not False:
        decimal(value.text)


def nested(depth, brackets="[]"):
    return brackets[0] * depth + brackets[1] * depth


CANONICAL_JSON = {
    "null": "null",
    "true": "true",
    "false": "false",
    "an empty object": "{ }",
    "an empty array": "[ ]",
    "an empty string": '""',
    "white space of all four kinds": " \t\r\n[ 1 ,\t2\r\n, { \"a\" : 3 } ]\n",
    "keys in order of their bytes": '{"b":1,"a":2,"B":3,"_":4,"1":5,"":6,"aa":7,"a\\u0001":8}',
    "keys at every depth": '{"z":[{"d":1,"c":{"b":2,"a":[{"y":3,"x":4}]}}],"a":0}',
    "keys by UTF-8, not UTF-16: U+FB33 before U+1F600": '{"\U0001f600":1,"\ufb33":2,"\u00f6":3,"\u20ac":4,"\u0080":5,"\\r":6,"1":7}',
    "keys by UTF-8: U+FFFF before U+10000": '{"\U00010000":1,"\uffff":2,"\ue000":3}',
    "keys by bytes, not by any locale": '{"z":1,"\u00e4":2,"a":3,"A":4,"Z":5,"\u00c4":6}',
    "keys that are digits": '{"10":1,"9":2,"1":3,"-1":4}',
    "keys that are prefixes of each other": '{"abc":1,"ab":2,"a":3,"abcd":4}',
    "keys that only differ in their normalization": '{"\u00e9":1,"e\u0301":2}',
    "keys that mean something to a language": '{"toString":1,"__proto__":2,"constructor":3,"hasOwnProperty":4}',
    "a key that was escaped": '{"\\u0062":1,"\\u0061":2}',
    "escapes that JSON does not need": '"\\/\\u00e9\\u20ac\\ud83d\\ude00\\u0041"',
    "escapes that it needs": '"\\b\\t\\n\\f\\r\\"\\\\"',
    "every control character": json.dumps("".join(map(chr, range(1, 32)))),
    "escapes of control characters, in upper case": '"\\u001F\\u000B\\u0008"',
    "DEL and C1 controls stay": '"\u007f\u0080\u009f"',
    "U+2028 and U+2029 stay": '"\\u2028\\u2029"',
    "a byte order mark in a string stays": '"\\ufeffx"',
    "non-characters stay": '"\\uffff\\ufffe\\ufdd0"',
    "text is not normalized": '"\u00c5\u212bA\u030a"',
    "right-to-left marks and joiners stay": '"\u200f\u202e\u200d"',
    "surrogate pairs become one character": '"\\uD834\\uDD1E\\udbff\\udfff"',
    "numbers": "[0,-0,0.0,-0.0e5,1,-1,1.0,1.50,1e2,1E+2,12.5e-1,0.1,1e-6,1e-7,123456789012345]",
    "the largest integer": "[9007199254740991,-9007199254740991]",
    "true in words only": "[true,false,null]",
    "as deep as can be": nested(MAX_DEPTH),
    "one level too deep": nested(MAX_DEPTH + 1),
    "objects one level too deep": '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "very deep": nested(5000),
    "brackets in a string are no depth": json.dumps([nested(200), "\\" * 5 + '"' + nested(200)]),
    "an integer beyond 2^53-1": '{"a":9007199254740993}',
    "2^53 itself": "9007199254740992",
    "a decimal with too many digits": "[0.1234567890123456789]",
    "a number that no double reaches": "1e400",
    "a number that would become zero": "1e-400",
    "a key twice": '{"a":1,"b":2,"a":3}',
    "a key twice, once escaped": '{"a":1,"\\u0061":2}',
    "a key twice, with the same value": '{"a":1,"a":1}',
    "a key twice, far inside": '[[{"x":{"k":1,"l":2,"k":1}}]]',
    "an empty key twice": '{"":1,"":2}',
    "a high surrogate alone": '"\\ud800"',
    "a low surrogate alone": '"\\udc00"',
    "surrogates in the wrong order": '"\\ude00\\ud83d"',
    "a high surrogate before another escape": '"\\ud800\\u0041"',
    "a high surrogate before a pair": '"\\ud83d\\ud83d\\ude00"',
    "a lone surrogate in a key": '{"\\udfff":1}',
    "NUL": '"a\\u0000b"',
    "NUL in a key": '{"\\u0000":1}',
    "nothing": "",
    "white space alone": " \n",
    "two values": "1 2",
    "a comma too many in an array": "[1,]",
    "a comma too many in an object": '{"a":1,}',
    "a comma too few": "[1 2]",
    "a comma alone": "[,]",
    "a key without quotes": "{a:1}",
    "a key in single quotes": "{'a':1}",
    "a key that is a number": "{1:1}",
    "a colon too few": '{"a" 1}',
    "a value too few": '{"a":}',
    "an array that does not end": "[1",
    "an object that does not end": '{"a":1',
    "brackets that do not match": "[1}",
    "a string that does not end": '"abc',
    "a string that ends in a backslash": '"abc\\',
    "an unknown escape": '"\\x41"',
    "an escape cut short": '"\\u12"',
    "an escape with a letter that is no digit": '"\\u12g4"',
    "an escape with a sign": '"\\u+123"',
    "a control character that is not escaped": '"a\tb"',
    "a line end in a string": '"a\nb"',
    "a leading zero": "01",
    "a leading plus": "+1",
    "a minus alone": "-",
    "a point without digits before it": ".5",
    "a point without digits behind it": "1.",
    "an exponent without digits": "1e",
    "a hexadecimal number": "0x10",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "a word in upper case": "True",
    "a word that goes on": "nullx",
    "a comment": "[1] // one",
    "a byte order mark": "\ufeff1",
    "white space that JSON does not know": "[1,\u00a02]",
    "a vertical tab": "[1,\u000b2]",
}


def canonical_json_cases():
    for name, text in CANONICAL_JSON.items():
        yield {"name": name, "input": text, **expect("canonical", canonical_json, text)}


# --- numbers.json ---

DECIMALS = """
0 -0 0.0 -0.000 00 007 1 -1 10 100 1.0 1.10 0.1 0.10 0.2 0.3 0.30000000000000004 1.5 -1.5 3.14159265358979
1e0 1e1 1e2 1E2 1e+2 1e-1 12.5e-1 1.0e-5 1e-6 1e-7 1.5e-7 0.000001 0.0000001 0.00000015 1e15 1e-300
123456789012345 999999999999999 1000000000000000 -1000000000000000 4503599627370495.5 4503599627370496.5
9007199254740990 9007199254740991 -9007199254740991 9007199254740991.0 9007199254740992 9007199254740993
-9007199254740992 9007199254740990.5 9007199254740991.4 9223372036854775807 18446744073709551616
1e16 1e20 1e21 1e22 1e23 1e308 1.7976931348623157e308 1.7976931348623159e308 1e309 1e400 1e99999999999999999999
0.5 0.25 0.125 0.1234567890123456 0.12345678901234567 0.1234567890123456789 0.10000000000000001 0.1000000000000000055511151231257827
5e-324 4.9e-324 4.9406564584124654e-324 3e-324 2e-324 1e-324 2.2250738585072014e-308 2.2250738585072011e-308 1e-323 1e-400 1e-99999999999999999999
0e400 0e-400 0.00000000000000000000000000000000000001 100000000000000000000000 99.99 19.990 1234567.891 -0.05 -273.15
2.5 33.333333333333336 33.33333333333333 33.3333333333333333 0.3333333333333333 0.33333333333333333 0.6666666666666666 0.6666666666666667
NaN Infinity -Infinity
""".split()

# RFC 8785, appendix B, and the edges around them.
DOUBLES = """
0000000000000000 8000000000000000 0000000000000001 8000000000000001 0000000000000002 000fffffffffffff 0010000000000000
7fefffffffffffff ffefffffffffffff 4340000000000000 c340000000000000 433fffffffffffff 4430000000000000 44b52d02c7e14af5
44b52d02c7e14af6 44b52d02c7e14af7 444b1ae4d6e2ef4e 444b1ae4d6e2ef4f 444b1ae4d6e2ef50 3eb0c6f7a0b5ed8c 3eb0c6f7a0b5ed8d
3eb0c6f7a0b5ed8e 41b3de4355555553 41b3de4355555554 41b3de4355555555 41b3de4355555556 41b3de4355555557 becbf647612f3696
43143ff3c1cb0959 3fb999999999999a 3fd3333333333334 3ff0000000000000 bff0000000000000 4024000000000000 3ff8000000000000
7ff0000000000000 fff0000000000000 7ff8000000000000 7fffffffffffffff
""".split()


def number_cases():
    for text in DECIMALS:
        yield {"decimal": text, **expect("canonical", decimal, text)}


def double_cases():
    bits = DOUBLES + [f"{seeded.getrandbits(64):016x}" for _ in range(40)]
    for case in bits:
        yield {"bits": case, **expect("canonical", double_of_bits, case)}


def double_of_bits(bits):
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    try:
        return render_number(value)
    except ValueError:
        raise Refused("not-finite")


# --- names and places ---

TABLE_NAMES = """
grips exercise_categories muscles range_of_motion a a_b a_b_c Album playlist_track _private __double trailing_ two__under
tab1e table_1 x_9y UPPER_CASE mixed_Case camelCase
""".split() + [
    "a" * 63,
    "a" * 64,
    "",
    "1st",
    "größe",
    "with space",
    "with-dash",
    "with.dot",
    "../etc",
    "a/b",
    "a\n",
]


def table_key(name):
    """Each `_` but a leading one goes, and the letter behind it is raised."""
    check_name(name)
    return name[0] + re.sub("_+(.?)", lambda match: match[1].upper(), name[1:])


def check_name(name):
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise Refused("name")


def table_key_cases():
    for name in TABLE_NAMES:
        yield {"name": name, **expect("key", table_key, name)}


def path_cases():
    name = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    good = [
        ("version.json", {"kind": "version"}, "brief"),
        ("versions/1771938724-57.json", {"kind": "history", "epoch": 1771938724, "sequence": 57}, "forever"),
        ("versions/0-0.json", {"kind": "history", "epoch": 0, "sequence": 0}, "forever"),
        (f"manifests/{name}.json", {"kind": "manifest", "hash": name}, "forever"),
    ]
    for extension in ("", ".zst", ".br", ".gz"):
        variant = {"variant": extension[1:]} if extension else {}
        good.append((f"bootstrap/{name}.json{extension}", {"kind": "bootstrap", "hash": name, **variant}, "forever"))
        table = {"kind": "table", "table": "cardioTypes", "hash": name, **variant}
        good.append((f"tables/cardioTypes/{name}.json{extension}", table, "forever"))
    for path, parts, cache in good:
        yield {"path": path, "key": parts, "cache": cache}
    for path in [
        "",
        "/",
        "/version.json",
        "version.json/",
        "./version.json",
        "VERSION.json",
        "version.json.gz",
        "versions/1.json",
        "versions/1-2",
        "versions/01-2.json",
        "versions/1-02.json",
        "versions/+1-2.json",
        "versions/1--2.json",
        "versions/1-18446744073709551616.json",
        "manifests/../version.json",
        f"manifests/{name}",
        f"manifests/{name}.json.zst",
        f"manifests/{name.upper()}.json",
        f"manifests/{name[:-1]}.json",
        f"manifests/{name}0.json",
        f"bootstrap/{name}.json.",
        f"bootstrap/{name}.json.xz",
        f"bootstrap/{name}.json.zst.gz",
        f"bootstrap/{name}.JSON",
        f"tables/{name}.json",
        f"tables/../{name}.json",
        f"tables/a/b/{name}.json",
        f"tables//{name}.json",
        f"tables/gr%69ps/{name}.json",
        f"tables/1st/{name}.json",
        f"tables\\grips\\{name}.json",
    ]:
        yield {"path": path, "refused": "path"}


# --- objects and hashes ---


def hashes(content):
    return {"size": len(content), "blake3": blake3(content), "sha256": hashlib.sha256(content).hexdigest()}


def blake3(content):
    try:
        run = subprocess.run(["b3sum", "--no-names"], input=content, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        sys.exit("b3sum is missing; on Debian: apt-get install b3sum")
    return run.stdout.decode().strip()


def hash_cases():
    texts = ["", "a", "abc", '{"id":"NEUTRAL"}', "grüße \U0001f600", "\n"]
    # BLAKE3 works by chunks of 1024 bytes, SHA-256 by blocks of 64.
    repeats = [("0123456789abcdef", n) for n in (1, 4, 63, 64, 65, 128, 65536)] + [("x", n) for n in (1023, 1024, 1025, 2049)]
    for text in texts:
        yield {"text": text, **hashes(text.encode())}
    for text, count in repeats:
        yield {"text": text, "times": count, **hashes(text.encode() * count)}


def lines(rows):
    return "[\n" + ",\n".join(rows) + "\n]" if rows else "[]"


ROWS = {
    "no rows": ("grips", []),
    "one row": ("grips", ['{"id":"NEUTRAL","is_active":true,"label":"Neutral"}']),
    "rows": (
        "cardioTypes",
        [
            '{"id":"RUN","label":"Run","met":9.8,"rules":{"a":[1,{"b":null}]}}',
            '{"id":"lauf","label":"Dauerlauf – größer \U0001f3c3","met":null,"rules":[]}',
            '{"id":"quote\\"","label":"line\\nend\u2028","met":1e-7,"rules":""}',
        ],
    ),
    "intervals and addresses": (
        "gateways",
        [
            '{"address":"10.0.0.9","network":"10.0.0.0/8","timeout":"P-1Y2DT-3H-0.5S"}',
            '{"address":"2001:db8::1/64","network":null,"timeout":"PT0S"}',
        ],
    ),
}


def table_object(schema, table, rows):
    return f'{{"schemaVersion":"{schema}","table":"{table}","rows":{lines(rows)}}}'


def table_object_cases():
    for name, (table, rows) in ROWS.items():
        for schema in ("1.0", "12.3") if rows else ("1.0",):
            text = table_object(schema, table, rows)
            yield {
                "name": name,
                "schemaVersion": schema,
                "table": table,
                "rows": rows,
                "object": text,
                **hashes(text.encode()),
            }


def bootstrap_cases():
    some = {table: rows for table, rows in (ROWS["rows"], ROWS["one row"])}
    for name, tables in [
        ("no tables", {}),
        ("one empty table", {"grips": []}),
        ("tables", {**some, "stanceTypes": []}),
        ("keys in order of their bytes", {key: [] for key in ["Zone", "_x", "a", "a1", "aB", "ab"]}),
    ]:
        header = {"schemaVersion": "1.0", "referenceVersion": "seq:42", "generatedAt": "2026-02-24T13:12:04Z"}
        tables = dict(sorted(tables.items(), key=lambda item: item[0].encode()))
        body = ",".join(f'"{key}":{lines(rows)}' for key, rows in tables.items())
        text = json.dumps(header, separators=(",", ":"))[:-1] + f',"tables":{{{body}}}}}'
        yield {"name": name, **header, "tables": tables, "object": text, **hashes(text.encode())}


# --- manifest and version ---


def content_hash_cases():
    names = {key: blake3(key.encode()) for key in ["grips", "aB", "ab", "Zone", "_x", "cardioTypes"]}
    for tables in [{}, {"grips": names["grips"]}, names]:
        text = "".join(f"{tables[key]}  {key}\n" for key in sorted(tables, key=str.encode))
        yield {"tables": tables, "hashed": text, "contentHash": blake3(text.encode())}


def fingerprint_cases():
    for columns, primary_key in [
        ({"id": "text"}, ["id"]),
        ({"id": "text", "is_active": "boolean", "label": "text", "parent_id": "text?", "price": "numeric(10,2)?"}, ["id"]),
        ({"track": "integer", "playlist": "integer"}, ["playlist", "track"]),
        ({"track": "integer", "playlist": "integer"}, ["track", "playlist"]),
        ({"b": "text[]", "B": "jsonb?", "_": "timestamp with time zone"}, ["_"]),
    ]:
        shape = [f"{name} {columns[name]}\n" for name in sorted(columns, key=str.encode)]
        text = "".join(shape) + "primary key " + ",".join(primary_key) + "\n"
        yield {
            "columns": columns,
            "primaryKey": primary_key,
            "hashed": text,
            "schemaFingerprint": blake3(text.encode())[:16],
        }


def version_fields(**changes):
    reference = {"hash": blake3(b"manifest"), "size": 4211}
    fields = {
        "formatVersion": 1,
        "epoch": 1771938724,
        "sequence": 57,
        "schemaVersion": "1.0",
        "referenceVersion": "seq:42",
        "generatedAt": "2026-02-24T13:12:04Z",
        "publishedAt": "2026-02-24T13:12:09Z",
        "manifest": reference,
        "bootstrap": {"hash": blake3(b"bootstrap"), "size": 166048},
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


def version_cases():
    def case(name, fields, **outcome):
        text = fields if isinstance(fields, str) else json.dumps(fields, separators=(",", ":"))
        return {"name": name, "text": text, **outcome}

    def read(fields):
        return {"order": [fields["epoch"], fields["sequence"]], "manifest": fields["manifest"]["hash"]}

    plain = version_fields()
    yield case("a version", plain, **read(plain))
    yield case("with white space", json.dumps(plain, indent=1), **read(plain))
    yield case("fields in another order", dict(reversed(plain.items())), **read(plain))
    yield case("fields that a reader does not know", {"later": {"a": [1]}, **plain, "x": None}, **read(plain))
    unknown = {**plain, "manifest": {**plain["manifest"], "signature": "later"}}
    yield case("a field that a reader does not know, further in", unknown, **read(unknown))
    rollback = {**plain, "rollback": {"epoch": 1771938724, "sequence": 12}}
    yield case("a rollback", rollback, **read(rollback))
    lineage = {**plain, "lineage": "0123456789abcdef"}
    yield case("a lineage", lineage, **read(lineage))
    highest = version_fields(epoch=2**53 - 1, sequence=2**53 - 1)
    yield case("the highest numbers that every reader keeps", highest, **read(highest))
    full = json.dumps(plain, separators=(",", ":"))
    yield case("as long as can be", full + " " * (1024 - len(full)), **read(plain))
    yield case("a byte too long", full + " " * (1025 - len(full)), refused="size")
    yield case("a later format", version_fields(formatVersion=2), refused="format")
    yield case("a later format with other fields", {"formatVersion": 7, "pointer": "x"}, refused="format")
    for name, value in [
        ("no format", {"formatVersion": None}),
        ("no manifest", {"manifest": None}),
        ("no sequence", {"sequence": None}),
        ("a sequence that is text", {"sequence": "57"}),
        ("a sequence below zero", {"sequence": -1}),
        ("a sequence with a fraction", {"sequence": 1.5}),
        ("a sequence that a double would round", {"sequence": 2**53}),
        ("an epoch that a double would round", {"epoch": 2**53 + 1}),
        ("a hash in upper case", {"manifest": {"hash": "AF" * 32, "size": 1}}),
        ("a hash that is too short", {"manifest": {"hash": "af" * 31, "size": 1}}),
        ("a hash that climbs", {"manifest": {"hash": "../" * 21 + "x", "size": 1}}),
        ("a schema version without a minor part", {"schemaVersion": "1"}),
        ("a schema version with a leading zero", {"schemaVersion": "01.0"}),
        ("a reference version without its prefix", {"referenceVersion": "42"}),
    ]:
        yield case(name, version_fields(**value), refused="json")
    # Numbers as they may be spelled: what no double keeps, and what is no whole number.
    spelled = lambda field, text: full.replace(f'"{field}":{json.dumps(plain[field])}', f'"{field}":{text}', 1)
    for field in ["epoch", "sequence"]:
        for text in ["1e20", "1.5", "-1", '"12"', "null", "true", "18446744073709551616", "[1]", "{}"]:
            yield case(f"{field}: {text}", spelled(field, text), refused="json")
        as_read = {**plain, field: 57}
        yield case(f"{field}: 57.0", spelled(field, "57.0"), **read(as_read))
        yield case(f"{field}: 5.7e1", spelled(field, "5.7e1"), **read(as_read))
    for field in ["manifest", "bootstrap"]:
        sized = lambda size: version_fields(**{field: {**plain[field], "size": size}})
        yield case(f"the largest size of the {field}", sized(2**53 - 1), **read(plain))
        for size in [2**53, -1, 1.5, "12", None, True]:
            yield case(f"the size of the {field}: {json.dumps(size)}", sized(size), refused="json")
    yield case("a format beyond 32 bits", version_fields(formatVersion=2**32), refused="format")
    yield case("nothing", "", refused="json")
    yield case("a page of HTML", "<!doctype html><title>502</title>", refused="json")
    yield case("an array", "[]", refused="json")
    yield case("a version cut short", full[:-1], refused="json")
    yield case("a version and more", full + "}", refused="json")


def manifest_fields(**changes):
    table = {
        "hash": blake3(b"grips"),
        "sha256": hashlib.sha256(b"grips").hexdigest(),
        "size": 4096,
        "rows": 2,
        "versionSeq": 42,
        "inBootstrap": True,
        "primaryKey": ["id"],
        "columns": {"id": "text", "parent_id": "text?"},
        "schemaFingerprint": blake3(b"id text\nparent_id text?\nprimary key id\n")[:16],
    }
    fields = {
        "formatVersion": 1,
        "schemaVersion": "1.0",
        "referenceVersion": "seq:42",
        "generatedAt": "2026-02-24T13:12:04Z",
        "contentHash": blake3(f"{table['hash']}  grips\n".encode()),
        "bootstrap": {"hash": blake3(b"bootstrap"), "sha256": hashlib.sha256(b"bootstrap").hexdigest(), "size": 166048},
        "tables": {"grips": table},
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


def manifest_cases():
    def case(name, fields, **outcome):
        text = fields if isinstance(fields, str) else json.dumps(fields, separators=(",", ":"))
        return {"name": name, "text": text, **outcome}

    def read(fields):
        return {"contentHash": fields["contentHash"], "tables": {key: table["hash"] for key, table in fields["tables"].items()}}

    plain = manifest_fields()
    table = plain["tables"]["grips"]
    yield case("a manifest", plain, **read(plain))
    empty = manifest_fields(tables={}, contentHash=blake3(b""))
    yield case("no tables", empty, **read(empty))
    unknown = {**plain, "later": 1, "tables": {"grips": {**table, "later": [None]}}}
    yield case("fields that a reader does not know", unknown, **read(unknown))
    yield case("a later format", manifest_fields(formatVersion=2), refused="format")
    yield case("another contentHash", manifest_fields(contentHash=blake3(b"other")), refused="content-hash")
    other_name = manifest_fields(tables={"stanceTypes": table})
    yield case("a table under another key", other_name, refused="content-hash")
    yield case("a table key that climbs", manifest_fields(tables={"../grips": table}), refused="json")
    without_hash = {name: value for name, value in table.items() if name != "hash"}
    yield case("a table without a hash", manifest_fields(tables={"grips": without_hash}), refused="json")
    yield case("no bootstrap", manifest_fields(bootstrap=None), refused="json")
    # Every number that a reader shows or asks by, and the longest name.
    for field in ["size", "rows"]:
        numbered = lambda number: manifest_fields(tables={"grips": {**table, field: number}})
        most = numbered(2**53 - 1)
        yield case(f"the highest {field}", most, **read(most))
        for number in [2**53, -1, 1.5, "12", None, True]:
            yield case(f"{field}: {json.dumps(number)}", numbered(number), refused="json")
    boot = lambda size: manifest_fields(bootstrap={**plain["bootstrap"], "size": size})
    yield case("the largest bootstrap that can be said", boot(2**53 - 1), **read(plain))
    yield case("a bootstrap beyond it", boot(2**53), refused="json")
    named = lambda key: manifest_fields(tables={key: table}, contentHash=blake3(f"{table['hash']}  {key}\n".encode()))
    longest = named("g" * 63)
    yield case("the longest table key", longest, **read(longest))
    yield case("a table key that is too long", named("g" * 64), refused="json")
    yield case("a format beyond 32 bits", manifest_fields(formatVersion=2**32), refused="format")
    yield case("nothing", "", refused="json")
    yield case("a version", version_fields(), refused="json")


def order_cases():
    for older, newer in [
        ([1771938724, 1], [1771938724, 2]),
        ([1771938724, 9], [1771938724, 10]),
        ([1771938724, 900], [1771938725, 1]),
        ([9, 1], [10, 1]),
        ([0, 0], [0, 1]),
    ]:
        yield {"older": older, "newer": newer}


# --- what PostgreSQL sends ---

# Made before the values are read, in a schema of the session's own.
POSTGRES_TYPES = """
CREATE TYPE pg_temp.grip AS ENUM ('NEUTRAL', 'übergriff', 'it''s "mixed"');
CREATE DOMAIN pg_temp.sku AS text CHECK (VALUE <> '');
CREATE DOMAIN pg_temp.amount AS numeric(12,2);
"""


def postgres_values():
    """(type, SQL of a value of it)"""
    yield from each("boolean", ["true", "false"])
    yield from each("smallint", ["0", "1", "-1", "32767", "-32768"])
    yield from each("integer", ["0", "-7", "2147483647", "-2147483648"])
    yield from each(
        "bigint",
        ["0", "-1", "9007199254740991", "-9007199254740991", "9007199254740992", "-9007199254740992"]
        + ["9007199254740993", "9223372036854775807", "-9223372036854775808", "1000000000000000"],
    )
    yield from each(
        "real",
        quoted(
            "0 -0 1 0.1 0.3 -1.5 1e-7 1e-6 123456.79 16777216 16777218 84154736 -200434592 1e10 9e15 9.1e15"
            " 3.4028235e38 1.1754944e-38 1e-45 -1e-45 33333.332 1e21 1e20 NaN Infinity -Infinity"
        ),
    )
    yield from each(
        "double precision",
        quoted(
            "0 -0 1 0.1 0.3 0.30000000000000004 -1.5 1e-7 1e-6 1e21 1e20 123456789012345680 9007199254740993"
            " 1.7976931348623157e308 2.2250738585072014e-308 5e-324 -5e-324 1e-323 33.333333333333336 NaN Infinity -Infinity"
        ),
    )
    yield from each("double precision", quoted(random_doubles()))
    yield from each(
        "numeric",
        quoted(
            "0 -0 0.00 1 -1 10 100 9999 10000 10001 99999999 100000000 1.5 1.50 -1.50 0.1 0.01 0.001 0.0001 0.00001"
            " 0.000001 0.0000001 0.00000012 -0.00000001 1e-20 12345678.90 0.12345 1234.5678 1000000.000001"
            " 999999999999999 1000000000000000 123456789012345.6 12345678901234.56 9007199254740991 9007199254740991.0"
            " 9007199254740992 9007199254740993 -9007199254740993 1e15 1e16 1e21 1e400 1e-400 1e-16383"
            " 0.1234567890123456 0.12345678901234567 0.1234567890123456789 0.10000000000000001 99.99 19.990"
            " 33.333333333333336 0.3333333333333333 12345678901234567890.123456789 NaN Infinity -Infinity"
        ),
    )
    yield from each("numeric", quoted(random_numerics()))
    yield from each("numeric(10,2)", quoted("0 1.5 1.505 -99999999.99 12.30 0.01"))
    yield from each("pg_temp.amount", quoted("12.5 -0.05"))
    texts = ["", "a", "Grüße", "\U0001f3cb️", 'say "hi"', "back\\slash", "tab\tline\nreturn\r", "\u2028\u2029\ufeff", "\u0001\u001f\u007f"]
    yield from each("text", [escaped(text) for text in texts + ["null", "NULL", " ", "{}", "e\u0301"]])
    yield from each("character varying(5)", [escaped("abc"), escaped("äöüß€")])
    yield from each("character(5)", [escaped("abc"), escaped(""), escaped("ä")])
    yield from each('"char"', [escaped("x")])
    yield from each("name", [escaped("a_name")])
    yield from each("pg_temp.sku", [escaped("A-1")])
    yield from each("pg_temp.grip", [escaped("NEUTRAL"), escaped("übergriff"), escaped('it\'s "mixed"')])
    uuids = ["0190163d-8694-739b-aea5-966c26f8ad91", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"]
    yield from each("uuid", [f"'{uuid}'" for uuid in uuids])
    days = (
        "2026-02-24 2000-01-01 1999-12-31 1970-01-01 1969-12-31 2000-02-29 2000-03-01 1900-02-28 1900-03-01 2024-02-29"
        " 2100-02-28 2100-03-01 0001-01-01 0004-02-29 0400-02-29 1582-10-15 1582-10-04 9999-12-31 10000-01-01"
    ).split()
    others = ["0001-12-31 BC", "4713-01-01 BC", "infinity", "-infinity"]
    yield from each("date", [f"'{day}'" for day in days + others + ["5874897-12-31"] + random_days()])
    yield from each(
        "time",
        quoted("00:00 13:12:04 13:12:04.5 13:12:04.000001 13:12:04.100000 23:59:59.999999 24:00 23:59:60 00:00:00.000010"),
    )
    moments = (
        ["2026-02-24 13:12:04", "2026-02-24 13:12:04.5", "2026-02-24 13:12:04.000001", "2026-02-24 13:12:04.999999"]
        + ["2000-01-01", "1999-12-31 23:59:59.999999", "1970-01-01", "1969-12-31 23:59:59.5", "0001-01-01", "2000-02-29 23:59:59"]
        + ["9999-12-31 23:59:59.999999", "10000-01-01", "294276-12-31 23:59:59.999999", "0001-12-31 23:59:59.999999 BC"]
        + ["4713-01-01 BC", "infinity", "-infinity", "2016-12-31 23:59:60"]
    )
    yield from each("timestamp without time zone", [f"'{moment}'" for moment in moments + random_moments()])
    zoned = ["2026-02-24 13:12:04+01", "2026-02-24 00:00:00.25-11:30", "2026-07-01 12:00 Europe/Berlin", "0001-01-01 00:00+14"]
    zoned += ["9999-12-31 23:59:59-12", "0001-01-01 00:00:00+00", "infinity", "-infinity"]
    yield from each("timestamp with time zone", [f"'{moment}'" for moment in zoned])
    yield from each(
        "interval",
        quoted(
            "PT0S P1Y P14M P-14M P1Y2M3DT4H5M6S P40D P1W PT90M PT-90M PT36H PT0.5S PT-0.5S PT1.000001S PT-0.000001S"
            " PT59.999999S PT100H P1DT-2H P-1Y2DT-3H-0.25S P1M-1D PT1H-0.5S P178956970Y7M2147483647DT2562047788H54.775807S P178956970Y7M2147483647DT2562047788H54.775806S"
            " P-178956970Y-8M-2147483648DT-2562047788H-54.775808S"
        )
        + ["'1 day 2:03'", "'-1 year 2 months -3 days 04:05:06.7'", "'1.5 days'", "'2 weeks ago'"],
    )
    addresses = (
        "10.0.0.1 10.0.0.1/32 10.1.0.0/16 10.0.0.1/8 0.0.0.0/0 255.255.255.255 :: ::1 ::/0 2001:DB8:0:0:0:0:0:1 2001:db8::/32"
        " 2001:db8:0:1:0:0:0:1/64 1:0:2:3:4:5:6:7 1:0:0:2:0:0:0:3 1:0:0:2:0:0:3:4 fe80::1/10 ::ffff:1.2.3.4 ::ffff:0:0 ::1.2.3.4"
        " ::1:0 ::1:0:0 1:2:3:4:5:6:7:0 0:2:3:4:5:6:7:8"
    )
    yield from each("inet", quoted(addresses))
    yield from each(
        "cidr",
        quoted(
            "10.0.0.1 10.1.0.0/16 10.1/16 10 0.0.0.0/0 192.168.1.128/25 :: ::1 ::/0 2001:db8::/32 2001:db8:0:1::/64"
            " ::ffff:1.2.3.4 ::1.2.0.0/112"
        ),
    )
    yield from each("bytea", [f"'\\x{data}'" for data in ["", "00", "ff", "0001", "000102", "00010203", "fbff", "6869", "00" * 100]])
    for name, text in CANONICAL_JSON.items():
        if is_json_to_postgres(text) and len(text) < 1000:
            yield "json", escaped(text)
    yield from each("json", [escaped(nested(MAX_VALUE_DEPTH)), escaped(nested(MAX_VALUE_DEPTH + 1)), escaped('{"a":"\\u0000"}')])
    deep_object = '{"]":' * (MAX_VALUE_DEPTH + 1) + "1" + "}" * (MAX_VALUE_DEPTH + 1)
    jsonbs = [
        '{"b":1,"a":{"d":[{"z":1,"y":2}],"c":3},"":0}',
        '{"longer key":1,"k":2,"ö":3,"\U0001f600":4,"\ufb33":5}',
        '{"a":1,"a":2}',
        '"\\u2028\\u00e9\\/\\u0001"',
        "[1.0,1.50,1e2,0.1e-6,-0,12345678901234567]",
        "[9007199254740991,1e-300]",
        "1e400",
        "0.1234567890123456789",
        "null",
        "true",
        "[]",
        "{}",
        ' [ 1 , "two" , { "three" : null } ] ',
        json.dumps("x" * 300 + nested(200)),
        json.dumps(["[" * 300 + '"' + "\\" * 3]),
        nested(MAX_VALUE_DEPTH),
        nested(MAX_VALUE_DEPTH + 1),
        deep_object,
    ]
    yield from each("jsonb", [escaped(text) for text in jsonbs])
    yield from each("text[]", ["'{}'", "'{a,b}'", "'{NULL,\"NULL\",null,\"\"}'", """'{"a\\"b","c\\\\d","e,f","{g}"," h "}'"""])
    yield from each("text[]", ["'{{a,b},{c,NULL}}'", "'{{{a}},{{b}}}'", "'[0:1]={a,b}'", "'[1:1][-2:-1]={{a,b}}'", "'[1:2]={a,b}'"])
    yield from each("text[]", ["'{{{{{{deep}}}}}}'", "ARRAY[]::text[]", escaped('{"Grüße\u2028\n"}')])
    yield from each("integer[]", ["'{1,-2,NULL,2147483647}'", "'{{1,2,3},{4,5,6}}'"])
    yield from each("bigint[]", ["'{1,9007199254740993}'", "'{9007199254740991}'"])
    yield from each("boolean[]", ["'{t,f,NULL}'"])
    yield from each("double precision[]", ["'{0.1,-0,1e21}'", "'{1,NaN}'"])
    yield from each("real[]", ["'{0.1,16777216}'"])
    yield from each("numeric[]", ["'{1.50,0.0000001,NULL}'", "'{0.12345678901234567890}'"])
    yield from each("uuid[]", [f"'{{{uuids[0]},NULL}}'"])
    yield from each("date[]", ["'{2026-02-24,0001-01-01}'", "'{infinity}'"])
    yield from each("time[]", ["'{13:12:04.5}'"])
    yield from each("timestamp with time zone[]", ["'{2026-02-24 13:12:04+01,NULL}'"])
    yield from each("interval[]", ["'{P1D,NULL,PT-0.5S}'"])
    yield from each("inet[]", ["'{10.0.0.1,::1/64,NULL}'"])
    yield from each("cidr[]", ["'{10.0.0.0/8}'"])
    yield from each("bytea[]", ["ARRAY['\\x00ff'::bytea,NULL]"])
    yield from each("jsonb[]", ["""ARRAY['{"b":1,"a":[]}'::jsonb,NULL,'null'::jsonb]"""])
    yield from each("pg_temp.grip[]", ["'{NEUTRAL,NULL}'"])


def each(sql_type, values):
    return [(sql_type, value) for value in values]


def quoted(words):
    return [f"'{word}'" for word in (words.split() if isinstance(words, str) else words)]


def escaped(text):
    return "'" + text.replace("'", "''") + "'"


def is_json_to_postgres(text):
    try:
        parse(text)
    except RecursionError:
        return False
    except ValueError as error:
        return "twice" in str(error)
    return True


def random_doubles():
    found = []
    while len(found) < 30:
        (value,) = struct.unpack(">d", seeded.randbytes(8))
        if value == value and abs(value) != float("inf"):
            found.append(repr(value))
    return found


def random_numerics():
    def one():
        digits = str(seeded.getrandbits(seeded.randrange(1, 60)))
        scale = seeded.randrange(0, 24)
        whole, fraction = digits.rjust(scale + 1, "0")[: -scale or None], digits.rjust(scale, "0")[-scale:] if scale else ""
        return seeded.choice(["", "-"]) + (whole or "0") + ("." + fraction if fraction else "")

    return [one() for _ in range(40)]


def random_days():
    return [f"{seeded.randint(1, 9999):04}-{seeded.randint(1, 12):02}-{seeded.randint(1, 28):02}" for _ in range(30)]


def random_moments():
    return [f"{day} {seeded.randint(0, 23)}:{seeded.randint(0, 59)}:{seeded.randint(0, 59)}.{seeded.randint(0, 999999):06}" for day in random_days()]


def capture(dsn, values):
    """The binary and the text format of each value, as PostgreSQL sends them."""
    columns = ", ".join(f"({value})::{sql_type}" for sql_type, value in values)
    binary = psql(dsn, f"COPY (SELECT {columns}) TO STDOUT (FORMAT binary)")
    text = psql(dsn, f"COPY (SELECT {columns}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").decode()
    (texts,) = csv.reader(io.StringIO(text, newline=""))
    assert len(texts) == len(values)
    return [
        {"type": sql_type, "sql": value, "binary": without_own_oid(sql_type, data).hex(), "text": text}
        for (sql_type, value), data, text in zip(values, copied_fields(binary), texts)
    ]


def without_own_oid(sql_type, data):
    """An array names the type of its elements by a number; for our own, each time another."""
    if sql_type.startswith("pg_temp.") and sql_type.endswith("[]"):
        return data[:8] + bytes(4) + data[12:]
    return data


def psql(dsn, statement):
    settings = "TimeZone=UTC DateStyle=ISO,YMD IntervalStyle=iso_8601 bytea_output=hex extra_float_digits=1 client_encoding=UTF8"
    options = " ".join(f"-c {setting}" for setting in settings.split())
    command = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={dsn}"]
    # One session, so that the types are there; by a pipe, because the statement is long.
    script = f"{POSTGRES_TYPES};\n{statement};\n"
    environment = {**os.environ, "PGOPTIONS": options}
    return subprocess.run(command, input=script.encode(), stdout=subprocess.PIPE, env=environment, check=True).stdout


def copied_fields(copied):
    """The fields of the one row of a binary COPY."""
    assert copied.startswith(b"PGCOPY\n\xff\r\n\0")
    at = 19
    (count,) = struct.unpack_from(">h", copied, at)
    at += 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", copied, at)
        yield copied[at + 4 : at + 4 + length]
        at += 4 + length
    assert copied[at:] == b"\xff\xff"


# The greatest and the least interval, whose bytes are infinity since PostgreSQL 17.
ENDLESS = (
    "P178956970Y7M2147483647DT2562047788H54.775807S",
    "P-178956970Y-8M-2147483648DT-2562047788H-54.775808S",
)


def postgres_json(sql_type, text):
    """The published form of a value, from the text that PostgreSQL prints."""
    if sql_type.endswith("[]"):
        return array(sql_type[:-2], text)
    name = sql_type.removeprefix("pg_temp.")
    if name == "boolean":
        return {"t": "true", "f": "false"}[text]
    if name in ("smallint", "integer", "bigint"):
        return integer(text)
    if name == "real":
        return single_text(text)
    if name == "double precision":
        return double_text(text)
    if name.startswith("numeric") or name == "amount":
        return decimal(text)
    if name == "date":
        return f'"{day(text)}"'
    if name == "time":
        return f'"{time_of_day(text)}"'
    if name.startswith("timestamp"):
        date, _, time = text.partition(" ")
        if "infinity" not in date:
            time, *era = time.split(" ")
            date = " ".join([date, *era])
        return f'"{day(date)}T{time_of_day(time.removesuffix("+00"))}Z"'
    if name == "bytea":
        return f'"{base64.b64encode(bytes.fromhex(text[2:])).decode()}"'
    if name == "interval" and text in ENDLESS:
        raise Refused("moment")
    if name in ("json", "jsonb"):
        return canonical_json(text, MAX_VALUE_DEPTH)
    return render_string(text)


def day(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise Refused("moment")
    return text


def time_of_day(text):
    whole, point, fraction = text.partition(".")
    return whole + point + fraction.ljust(6, "0") if point else whole


def array(element_type, text):
    if "=" in text.partition("{")[0]:
        bounds = re.findall(r"\[(-?\d+):", text.partition("=")[0])
        if any(bound != "1" for bound in bounds):
            raise Refused("lower-bound")
        text = text.partition("=")[2]
    # Brackets and commas outside of quotes; words; quoted strings with backslashes.
    tokens = re.findall(r'[{},]|"(?:[^"\\]|\\.)*"|[^{},"]+', text, re.DOTALL)
    out = []
    for token in tokens:
        if token in "{},":
            out.append({"{": "[", "}": "]", ",": ","}[token])
        elif token.startswith('"'):
            out.append(postgres_json(element_type, re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)))
        elif token.upper() == "NULL":
            out.append("null")
        else:
            out.append(postgres_json(element_type, token))
    return "".join(out)


def captured():
    with open(os.path.join(HERE, "postgres-binary.json"), encoding="utf-8") as file:
        return json.load(file)["cases"]


def postgres_cases(dsn):
    values = list(postgres_values())
    cases = capture(dsn, values) if dsn else captured()
    if [(case["type"], case["sql"]) for case in cases] != values:
        sys.exit("the values have changed; capture them anew with --capture DSN")
    for case in cases:
        keep = {name: case[name] for name in ("type", "sql", "binary", "text")}
        yield {**keep, **expect("json", postgres_json, case["type"], case["text"])}


# --- files ---


def files(dsn):
    """(file name, what it holds, its cases)"""
    yield "canonical-json.json", "JSON texts and their canonical bytes", canonical_json_cases()
    yield "numbers.json", "decimals and their canonical form", number_cases()
    yield "doubles.json", "doubles, by their bits in hexadecimal, and their canonical form", double_cases()
    yield "table-keys.json", "names of tables in SQL and their keys", table_key_cases()
    yield "paths.json", "paths below a store's root, and what they name", path_cases()
    yield "hashes.json", "texts (UTF-8, repeated so many times) and their hashes", hash_cases()
    yield "table-objects.json", "rows and their table object", table_object_cases()
    yield "bootstrap-objects.json", "tables and their bootstrap object", bootstrap_cases()
    yield "content-hashes.json", "a manifest's table hashes and its contentHash", content_hash_cases()
    yield "fingerprints.json", "the shape of a table and its schemaFingerprint", fingerprint_cases()
    yield "versions.json", "texts of version.json, and what a reader takes from them", version_cases()
    yield "manifests.json", "texts of a manifest, and what a reader takes from them", manifest_cases()
    yield "order.json", "(epoch, sequence) of a version and of a newer one", order_cases()
    yield "postgres-binary.json", "values as PostgreSQL sends and prints them, and as they are published", postgres_cases(dsn)


def vector_file(about, cases):
    # A case a line, so that a change shows as the case it changes. ASCII, so that no
    # editor and no terminal touches what it does not show.
    rows = ",\n".join(json.dumps(case) for case in cases)
    return f'{{"about":{json.dumps(about)},"cases":[\n{rows}\n]}}\n'


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file differs")
    arguments.add_argument("--capture", metavar="DSN", help="a PostgreSQL to ask, as psql --dbname takes it")
    options = arguments.parse_args()
    different = []
    for name, about, cases in files(options.capture):
        path = os.path.join(HERE, name)
        content = vector_file(about, cases)
        if options.check:
            with open(path, encoding="utf-8", newline="") as file:
                if file.read() != content:
                    different.append(name)
        else:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(content)
    for name in different:
        print(f"{name} is not what generate.py writes")
    sys.exit(1 if different else 0)


# One stream of random numbers, always the same.
seeded = random.Random("tablecast")

if __name__ == "__main__":
    main()
