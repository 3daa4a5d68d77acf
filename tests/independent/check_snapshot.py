#!/usr/bin/env python3
"""Judges a snapshot directory without a line of the code that made it.

    python3 tests/independent/check_snapshot.py snapshots

Every version, its manifest and every object they name: presence, names (by
`b3sum`), sizes, SHA-256, canonical bytes, rows and their order, the bootstrap
against the tables, and each variant unpacked by `zstd`, `brotli` or `gunzip`.
Prints each fault on a line of its own. Exit status: 0 sound, 1 faults, 2 usage.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
from decimal import Decimal

from canonical import Number, parse, render

FORMAT_VERSION = 1
MAX_VERSION_SIZE = 1024
MAX_MANIFEST_SIZE = 16 * 1024 * 1024
MAX_OBJECT_SIZE = 32 * 1024 * 1024
MAX_NUMBER = 2**53 - 1
MIN_VARIANT_SIZE = 1024
# Enough to see a pattern; the same fault in every row would bury the others.
MAX_FAULTS_PER_FILE = 5

UNPACK = {"zst": ["zstd", "-dcq"], "br": ["brotli", "-dc"], "gz": ["gunzip", "-c"]}

HASH = "[0-9a-f]{64}"
NAME = "[A-Za-z_][A-Za-z0-9_]{0,62}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
OBJECT = re.compile(f"(?:manifests|bootstrap|tables/{NAME})/({HASH})\\.json")
HISTORY = re.compile(r"versions/(0|[1-9]\d*)-(0|[1-9]\d*)\.json")
PLACE = re.compile(
    f"version\\.json|README\\.md|{HISTORY.pattern}|manifests/{HASH}\\.json"
    f"|(?:bootstrap|tables/{NAME})/{HASH}\\.json(?:\\.(?:zst|br|gz))?"
)

REFERENCE = {"hash": HASH, "size": int}
VERSION = {
    "formatVersion": int,
    "epoch": int,
    "sequence": int,
    "schemaVersion": r"(0|[1-9]\d*)\.(0|[1-9]\d*)",
    "referenceVersion": r"seq:(0|[1-9]\d*)",
    "generatedAt": MOMENT,
    "publishedAt": MOMENT,
    "manifest": REFERENCE,
    "bootstrap": REFERENCE,
}
# Only a version of a database that has a lineage has the one, and only a rollback the other.
OPTIONAL = {"lineage": "[0-9a-f]{16}", "rollback": {"epoch": int, "sequence": int}}
MANIFEST = {
    "formatVersion": int,
    "schemaVersion": VERSION["schemaVersion"],
    "referenceVersion": VERSION["referenceVersion"],
    "generatedAt": MOMENT,
    "contentHash": HASH,
    "bootstrap": {"hash": HASH, "sha256": HASH, "size": int},
    "tables": dict,
}
TABLE = {
    "hash": HASH,
    "sha256": HASH,
    "size": int,
    "rows": int,
    "versionSeq": int,
    "inBootstrap": bool,
    "primaryKey": list,
    "columns": dict,
    "schemaFingerprint": "[0-9a-f]{16}",
}


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    check = SnapshotCheck(arguments[0])
    check.run()
    for fault in check.faults:
        print(fault)
    if check.faults:
        print(f"{len(check.faults)} faults in {arguments[0]}")
        return 1
    print(f"{arguments[0]} is sound: {check.summary()}")
    return 0


class SnapshotCheck:
    """One look at a directory; `faults` has a line for each thing that is wrong."""

    def __init__(self, root):
        self.root = root
        self.faults = []
        self.versions = 0
        self.rows = 0
        self.variants = 0
        # What several versions name is judged once.
        self.checked = {}

    def run(self):
        self.files = self.list_files()
        self.check_names()
        current = self.check_version("version.json")
        history = sorted(
            (tuple(map(int, HISTORY.fullmatch(path).groups())), path)
            for path in self.files
            if HISTORY.fullmatch(path)
        )
        for order, path in history:
            self.versions += 1
            version = self.check_version(path)
            if version and (version["epoch"], version["sequence"]) != order:
                self.fault(path, "its epoch and sequence are not those of its name")
        if current:
            self.check_history(current, history)

    def summary(self):
        return (
            f"{self.versions} versions, {len(self.checked)} objects, {self.rows} rows, "
            f"{self.variants} variants"
        )

    def fault(self, place, what):
        self.faults.append(f"{place}: {what}")

    # --- the folder ---

    def list_files(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.root)
                path = path.replace(os.sep, "/")
                if name.startswith("."):
                    continue
                found.add(path)
                if not PLACE.fullmatch(path):
                    self.fault(path, "has no place in the format")
        return found

    def check_names(self):
        """Invariant 1 for every object on disk, whether a version names it or not."""
        paths = sorted(path for path in self.files if OBJECT.fullmatch(path))
        for path, actual in zip(paths, b3sum(self.at(path) for path in paths)):
            if OBJECT.fullmatch(path).group(1) != actual:
                self.fault(path, f"its BLAKE3 is {actual}")

    def at(self, path):
        return os.path.join(self.root, path)

    def read(self, path, limit):
        """The bytes, or None where the file is missing or too large."""
        if path not in self.files:
            return self.fault(path, "is missing")
        size = os.path.getsize(self.at(path))
        if size > limit:
            return self.fault(path, f"has {size} bytes; at most {limit} are allowed")
        with open(self.at(path), "rb") as file:
            return file.read()

    # --- version and manifest ---

    def check_version(self, path):
        data = self.read(path, MAX_VERSION_SIZE)
        version = data and self.parse(path, data)
        if not version:
            return None
        shape = {**VERSION, **{field: OPTIONAL[field] for field in OPTIONAL.keys() & version.keys()}}
        if not self.check_fields(path, version, shape):
            return None
        if version["formatVersion"] != FORMAT_VERSION:
            self.fault(path, f"formatVersion is {version['formatVersion']}")
        self.check_manifest(path, version)
        return version

    def check_history(self, current, history):
        order = (current["epoch"], current["sequence"])
        page = "versions/%d-%d.json" % order
        if page not in self.files:
            self.fault(page, "is missing, though it is the current version")
        elif self.read(page, MAX_VERSION_SIZE) != self.read("version.json", MAX_VERSION_SIZE):
            self.fault(page, "is not the bytes of version.json")
        if history and history[-1][0] > order:
            self.fault("version.json", f"is older than {history[-1][1]}")

    def check_manifest(self, version_path, version):
        path = f"manifests/{version['manifest']['hash']}.json"
        if path not in self.files:
            return self.fault(version_path, f"names {path}, which is missing")
        size = os.path.getsize(self.at(path))
        if size != version["manifest"]["size"]:
            self.fault(version_path, f"says that the manifest has {version['manifest']['size']} bytes, not {size}")
        if path not in self.checked:
            self.checked[path] = self.check_manifest_itself(path)
        manifest = self.checked[path]
        if not manifest:
            return None
        for field in ("formatVersion", "schemaVersion", "referenceVersion", "generatedAt"):
            if manifest[field] != version[field]:
                self.fault(version_path, f"{field} is {version[field]!r}, in its manifest {manifest[field]!r}")
        for field in ("hash", "size"):
            if manifest["bootstrap"][field] != version["bootstrap"][field]:
                self.fault(version_path, f"names another bootstrap {field} than its manifest")

    def check_manifest_itself(self, path):
        data = self.read(path, MAX_MANIFEST_SIZE)
        manifest = data and self.parse(path, data)
        if not manifest or not self.check_fields(path, manifest, MANIFEST):
            return None
        tables = manifest["tables"]
        sound = True
        for key, entry in tables.items():
            if not re.fullmatch(NAME, key):
                self.fault(path, f"{key!r} is no table key")
                sound = False
            elif not self.check_fields(f"{path}: {key}", entry, TABLE):
                sound = False
        if not sound:
            return None
        if list(tables) != sorted(tables):
            self.fault(path, "its tables are not in key order")
        lines = "".join(f"{tables[key]['hash']}  {key}\n" for key in sorted(tables))
        if b3sum_of_text(lines) != manifest["contentHash"]:
            self.fault(path, "contentHash is not the BLAKE3 of the table hashes")
        for key, entry in tables.items():
            if self.check_entry(f"{path}: {key}", manifest, entry):
                self.check_table(path, manifest, key, entry)
        self.check_bootstrap(path, manifest)
        return manifest

    def check_entry(self, place, manifest, entry):
        """Whether the rows can be judged by what the manifest says of them."""
        columns, primary_key = entry["columns"], entry["primaryKey"]
        for column, sql_type in columns.items():
            if not re.fullmatch(NAME, column) or not isinstance(sql_type, str):
                return bool(self.fault(place, f"column {column!r} is no column with its type"))
        if "source_type" in columns:
            self.fault(place, "publishes source_type")
        if not primary_key or not set(primary_key) <= set(columns):
            return bool(self.fault(place, f"primaryKey {primary_key} are not columns of it"))
        text = "".join(f"{name} {columns[name]}\n" for name in sorted(columns))
        text += f"primary key {','.join(primary_key)}\n"
        if b3sum_of_text(text)[:16] != entry["schemaFingerprint"]:
            self.fault(place, "schemaFingerprint is not that of its columns and key")
        if entry["versionSeq"] > int(manifest["referenceVersion"][4:]):
            self.fault(place, "versionSeq is higher than the snapshot's referenceVersion")
        return True

    def parse(self, path, data):
        try:
            return plain(parse(data.decode()))
        except (ValueError, RecursionError) as error:
            return self.fault(path, f"is not JSON: {error}")

    def check_fields(self, place, value, shape):
        """Exactly the fields of `shape`, each of its type or pattern, at every depth."""
        if not isinstance(value, dict):
            return bool(self.fault(place, "is not an object"))
        before = len(self.faults)
        for field in shape.keys() - value.keys():
            self.fault(place, f"{field} is missing")
        for field in value.keys() - shape.keys():
            self.fault(place, f"{field} is not a field of the format")
        for field in shape.keys() & value.keys():
            expected, actual = shape[field], value[field]
            if isinstance(expected, dict):
                self.check_fields(f"{place}: {field}", actual, expected)
            elif isinstance(expected, str):
                if not isinstance(actual, str) or not re.fullmatch(expected, actual):
                    self.fault(place, f"{field} is {actual!r}")
            elif type(actual) is not expected or (expected is int and not 0 <= actual <= MAX_NUMBER):
                self.fault(place, f"{field} is {actual!r}")
        return len(self.faults) == before

    # --- objects ---

    def check_object(self, manifest_path, path, entry):
        """Presence, size, SHA-256 and variants; whether the bytes may be looked into."""
        if path not in self.files:
            return bool(self.fault(manifest_path, f"names {path}, which is missing"))
        size = os.path.getsize(self.at(path))
        if size != entry["size"]:
            self.fault(manifest_path, f"says that {path} has {entry['size']} bytes, not {size}")
        if size > MAX_OBJECT_SIZE:
            self.fault(path, f"has {size} bytes; clients take {MAX_OBJECT_SIZE}")
        if sha256(self.at(path)) != entry["sha256"]:
            self.fault(manifest_path, f"sha256 is not that of {path}")
        if path in self.checked:
            return False
        self.checked[path] = True
        for extension, command in UNPACK.items():
            self.check_variant(path, size, extension, command)
        return True

    def check_variant(self, path, size, extension, command):
        variant = f"{path}.{extension}"
        if size < MIN_VARIANT_SIZE:
            if variant in self.files:
                self.fault(variant, f"stands beside an object of only {size} bytes")
        elif variant not in self.files:
            self.fault(variant, "is missing")
        elif not unpacks_to(command, self.at(variant), self.at(path)):
            self.fault(variant, "does not unpack to its object")
        else:
            self.variants += 1

    def check_table(self, manifest_path, manifest, key, entry):
        path = f"tables/{key}/{entry['hash']}.json"
        if not self.check_object(manifest_path, path, entry):
            return
        rows = TableCheck(entry)
        with open(self.at(path), "rb") as file:
            head = f'{{"schemaVersion":"{manifest["schemaVersion"]}","table":"{key}","rows":['
            rows.check(file, head.encode())
        for fault in rows.faults:
            self.fault(path, fault)
        self.rows += rows.count

    def check_bootstrap(self, manifest_path, manifest):
        """The four fields, and in key order the very rows of the table objects."""
        path = f"bootstrap/{manifest['bootstrap']['hash']}.json"
        if not self.check_object(manifest_path, path, manifest["bootstrap"]):
            return
        offset = 0
        with open(self.at(path), "rb") as file:
            for place, expected in self.bootstrap_parts(manifest):
                if file.read(len(expected)) != expected:
                    return self.fault(path, f"differs in {place}, at or after byte {offset}")
                offset += len(expected)
            if file.read(1):
                self.fault(path, f"goes on after byte {offset}, where it should end")

    def bootstrap_parts(self, manifest):
        head = (
            f'{{"schemaVersion":"{manifest["schemaVersion"]}",'
            f'"referenceVersion":"{manifest["referenceVersion"]}",'
            f'"generatedAt":"{manifest["generatedAt"]}","tables":{{'
        )
        yield "its first fields", head.encode()
        separator = ""
        for key in sorted(manifest["tables"]):
            entry = manifest["tables"][key]
            if not entry["inBootstrap"]:
                continue
            yield f"the name of {key}", f'{separator}"{key}":'.encode()
            separator = ","
            path = f"tables/{key}/{entry['hash']}.json"
            if path in self.files:
                for part in rows_of(self.at(path)):
                    yield f"the rows of {key}", part
        yield "its end", b"}}"


class TableCheck:
    """The rows of one table object, read a line at a time: it may be large."""

    def __init__(self, entry):
        self.entry = entry
        self.types = {column: sql_type.rstrip("?") for column, sql_type in entry["columns"].items()}
        self.order = [c for c in ("sort_order",) if c in self.types] + entry["primaryKey"]
        self.faults = []
        self.count = 0
        self.keys = set()
        self.last = None

    def check(self, file, head):
        first = file.readline()
        if first == head + b"]}" and not file.read(1):
            pass
        elif first == head + b"\n":
            self.check_lines(file)
        else:
            self.fault("does not begin as the table's object does")
        if self.count != self.entry["rows"] and not self.faults:
            self.fault(f"has {self.count} rows, in the manifest {self.entry['rows']}")

    def check_lines(self, file):
        comma = True
        for line in file:
            if line == b"]}" and not comma and self.count:
                return
            if not comma or not line.endswith(b"\n"):
                break
            row = line[:-1]
            comma = row.endswith(b",")
            self.check_row(row[:-1] if comma else row)
        self.fault(f"line {self.count + 2}: neither a row nor the end that belongs there")

    def check_row(self, data):
        self.count += 1
        place = f"row {self.count}"
        try:
            row = parse(data.decode())
            canonical = render(row).encode()
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            return self.fault(f"{place}: {error}")
        if canonical != data:
            at = next(i for i in range(len(data) + 1) if canonical[i : i + 1] != data[i : i + 1])
            self.fault(f"{place}: not canonical at byte {at}: {data[at:at + 20]!r}, not {canonical[at:at + 20]!r}")
        if not isinstance(row, dict) or row.keys() != self.types.keys():
            return self.fault(f"{place}: its keys are not the table's columns")
        self.check_values(place, row)
        self.check_order(place, row)

    def check_values(self, place, row):
        if row.get("is_active", True) is not True:
            self.fault(f"{place}: is not active")
        for column, value in row.items():
            if value is None:
                if not self.entry["columns"][column].endswith("?"):
                    self.fault(f"{place}: {column} is null, which the manifest excludes")
            elif not isinstance(value, json_types(self.types[column])):
                self.fault(f"{place}: {column} is {value!r}, though its type is {self.types[column]}")

    def check_order(self, place, row):
        key = tuple(render(row[column]) for column in self.entry["primaryKey"])
        if key in self.keys:
            self.fault(f"{place}: primary key {', '.join(key)} was there before")
        self.keys.add(key)
        try:
            rank = [sort_key(self.types[column], row[column]) for column in self.order]
            late = None not in rank and self.last is not None and rank < self.last
        except (ArithmeticError, TypeError, ValueError):
            # A value that its type cannot have has no place in an order.
            return self.fault(f"{place}: cannot be ordered")
        if late:
            self.fault(f"{place}: stands after a row that it should precede")
        self.last = None if None in rank else rank

    def fault(self, what):
        if len(self.faults) < MAX_FAULTS_PER_FILE:
            self.faults.append(what)
        elif len(self.faults) == MAX_FAULTS_PER_FILE:
            self.faults.append("has more faults of this kind")


NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# Types whose order is neither that of their text nor one that we compute here.
# What is in none of these lists is an enumeration, under a name of its own.
OTHERS = ("macaddr", "money", "bit", "json", "ts", "xml", "point")


def json_types(sql_type):
    """What a column of that type may be in JSON: any may be published as text."""
    if sql_type.endswith("[]"):
        return (list, str)
    if sql_type.startswith("json"):
        return object
    if sql_type == "boolean":
        return (bool, str)
    if sql_type.startswith(NUMBERS):
        return (Number, str)
    return str


def sort_key(sql_type, value):
    """Sorts as the database does (null last, text by bytes); None where we cannot tell."""
    if value is None:
        return (1,)
    if isinstance(value, bool):
        return (0, value)
    if sql_type.startswith(NUMBERS) and isinstance(value, (str, Number)):
        number = Decimal(value) if isinstance(value, str) else value.value
        return (0, number) if number.is_finite() else None
    if not isinstance(value, str) or sql_type.endswith("[]") or sql_type.startswith(OTHERS):
        return None
    if sql_type.startswith("time"):
        # "…:00Z" and "…:00.5Z": by bytes the dot would come first.
        return (0, value.rstrip("Z"))
    if sql_type == "bytea":
        return (0, base64.b64decode(value))
    if sql_type.startswith("character("):
        # The spaces that fill it up do not count.
        value = value.rstrip(" ")
    return (0, value.encode())


def rows_of(path):
    """The `[…]` of a table object, in parts."""
    with open(path, "rb") as file:
        head = file.readline()
        yield head[head.rindex(b"[") :] if head.endswith(b"\n") else b"[]"
        if head.endswith(b"\n"):
            held = b""
            for line in file:
                yield held
                held = line
            yield held[:-1]


def plain(value):
    """Parsed JSON with Python's integers, for the small files that have no other numbers."""
    if isinstance(value, Number):
        return int(value.text) if re.fullmatch(r"0|-?[1-9]\d*", value.text) else value
    if isinstance(value, dict):
        return {key: plain(field) for key, field in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def b3sum(paths):
    """The hashes of files, in order."""
    paths = list(paths)
    hashes = []
    # A command line has a limit.
    for start in range(0, len(paths), 200):
        command = ["b3sum", "--no-names", "--"] + paths[start : start + 200]
        hashes += subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().split()
    return hashes


def b3sum_of_text(text):
    result = subprocess.run(["b3sum", "--no-names"], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return result.stdout.decode().strip()


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def unpacks_to(command, variant, path):
    with open(variant, "rb") as packed, open(path, "rb") as file:
        process = subprocess.Popen(command, stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with process:
            equal = True
            while equal:
                part = process.stdout.read(1 << 20)
                # At its end the file, too, must have no more.
                equal = part == file.read(len(part) or 1)
                if not part:
                    break
            process.stdout.close()
    return equal and process.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
