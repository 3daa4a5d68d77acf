#!/usr/bin/env python3
"""Writes store/: the versions that the scenarios publish, with nothing but Python and b3sum.

It shares no code with what it is used to judge. Run it after a change; the result is committed.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).parent
STORE = HERE / "store"
EPOCH = 1771938724
COLUMNS = {"id": "text", "is_active": "boolean", "label": "text"}


def blake3(data):
    done = subprocess.run(["b3sum", "--no-names"], input=data, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip()


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def row(key, label, **more):
    return compact(dict(sorted({"id": key, "is_active": True, "label": label, **more}.items())))


def block(rows):
    return "[\n" + ",\n".join(rows) + "\n]" if rows else "[]"


def grips(*labels):
    return [row(f"G{n}", label) for n, label in enumerate(labels)]


MUSCLES = [row(f"M{n:03}", f"Muscle {n}", scores={"front": n, "back": n / 8 + 0.01, "ä": None}) for n in range(40)]
ONE = {
    "grips": grips("Neutral", "Pronated"),
    "muscles": MUSCLES,
    "countries": [row("NO", "Norge 🇳🇴", price=0.1), row("ÅL", "Åland", price=None), row("日", "日本", price=1e21)]
    + [row(f"X{n:02}", f"Country {n}", price=n / 4 + 0.01) for n in range(60)],
    "noRows": [],
    # A key that every object has in JavaScript, and rows that would change their prototype.
    "constructor": [row("P", "prototype", odd={"__proto__": {"x": 1}, "hasOwnProperty": 1})],
}


def edited(tables, key, index, new):
    return {**tables, key: [new if n == index else old for n, old in enumerate(tables[key])]}


TWO = edited(ONE, "grips", 1, row("G1", "Pronated, edited"))
THREE = edited(TWO, "muscles", 7, row("M007", "Muscle 7, edited", scores={}))
EVERY = {key: [line.replace('"label":"', '"label":"new ') for line in rows] for key, rows in THREE.items()}
ADDED = {**EVERY, "icons": [row("I", "<svg/>", odd={"10": 1, "2": 2})]}
REMOVED = {key: rows for key, rows in ADDED.items() if key != "grips"}
AT_BOUND = edited(ONE, "grips", 1, row("G1", "Pronated, at the bound"))
MANIFEST_AT_BOUND = edited(ONE, "grips", 1, row("G1", "Pronated, its manifest at the bound"))
MANIFEST_ABOVE_BOUND = edited(ONE, "grips", 1, row("G1", "Pronated, its manifest above the bound"))
ABOVE_BOUND = edited(ONE, "grips", 1, row("G1", "Pronated, above the bound"))
LARGE = {**REMOVED, "large": [row(f"L{n:05}", f"Row {n} " + "größe " * 8) for n in range(4000)]}

# name: (epoch, sequence, schema version, tables, more)
VERSIONS = {
    "one": (EPOCH, 1, "1.0", ONE, {}),
    "two": (EPOCH, 2, "1.0", TWO, {}),
    "three": (EPOCH, 3, "1.0", THREE, {}),
    "every": (EPOCH, 4, "1.0", EVERY, {}),
    "added": (EPOCH, 5, "1.0", ADDED, {}),
    "removed": (EPOCH, 6, "1.0", REMOVED, {}),
    "large": (EPOCH, 7, "1.0", LARGE, {"apart": ["large"]}),
    "minor": (EPOCH, 8, "1.1", ONE, {}),
    "major": (EPOCH, 9, "2.0", TWO, {}),
    "rolled-back": (EPOCH, 10, "1.0", ONE, {}),
    "later-format": (EPOCH, 11, "1.0", TWO, {"format": 2}),
    "wrong-sum": (EPOCH, 12, "1.0", TWO, {"content_hash": "0" * 64}),
    "later-manifest": (EPOCH, 13, "1.0", TWO, {"manifest_format": 2}),
    "after-major": (EPOCH, 14, "1.0", THREE, {}),
    # The manifest says that grips has as many bytes as a client takes, and one more. It has not.
    "at-the-bound": (EPOCH, 15, "1.0", AT_BOUND, {"apart": ["grips"], "announced": {"grips": 32 * 1024 * 1024}}),
    "above-the-bound": (EPOCH, 16, "1.0", ABOVE_BOUND, {"apart": ["grips"], "announced": {"grips": 32 * 1024 * 1024 + 1}}),
    # The version says so of the manifest.
    "manifest-at-the-bound": (EPOCH, 17, "1.0", MANIFEST_AT_BOUND, {"manifest_size": 16 * 1024 * 1024}),
    "manifest-above-the-bound": (EPOCH, 18, "1.0", MANIFEST_ABOVE_BOUND, {"manifest_size": 16 * 1024 * 1024 + 1}),
    "highest": (2**53 - 1, 2**53 - 1, "1.0", TWO, {}),
    # The same order as "two".
    "other-two": (EPOCH, 2, "1.0", EVERY, {}),
    # The store was lost and made again from a backup.
    "rebuilt": (EPOCH + 86400, 1, "1.0", TWO, {}),
    "rebuilt-next": (EPOCH + 86400, 2, "1.0", THREE, {}),
}


def put(path, text):
    target = STORE / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode())


def put_object(folder, text):
    data = text.encode()
    digest = blake3(data)
    put(f"{folder}/{digest}.json", text)
    return {"hash": digest, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def put_version(name, epoch, sequence, schema, tables, more):
    reference, moment = f"seq:{sequence}", "2026-02-24T13:12:04Z"
    entries = {}
    apart = more.get("apart", [])
    for key in sorted(tables):
        text = f'{{"schemaVersion":"{schema}","table":"{key}","rows":{block(tables[key])}}}'
        columns = "".join(f"{column} {kind}\n" for column, kind in COLUMNS.items()) + "primary key id\n"
        entries[key] = {
            **put_object(f"tables/{key}", text),
            **({"size": more["announced"][key]} if key in more.get("announced", {}) else {}),
            "rows": len(tables[key]),
            "versionSeq": sequence,
            "inBootstrap": key not in apart,
            "primaryKey": ["id"],
            "columns": COLUMNS,
            "schemaFingerprint": blake3(columns.encode())[:16],
        }
    inside = ",".join(f'"{key}":{block(tables[key])}' for key in sorted(tables) if key not in apart)
    bootstrap = put_object(
        "bootstrap",
        f'{{"schemaVersion":"{schema}","referenceVersion":"{reference}","generatedAt":"{moment}","tables":{{{inside}}}}}',
    )
    lines = "".join(f"{entry['hash']}  {key}\n" for key, entry in entries.items())
    manifest = put_object(
        "manifests",
        compact({
            "formatVersion": more.get("manifest_format", 1),
            "schemaVersion": schema,
            "referenceVersion": reference,
            "generatedAt": moment,
            "contentHash": more.get("content_hash", blake3(lines.encode())),
            "bootstrap": bootstrap,
            "tables": entries,
        }),
    )
    ref = lambda entry: {"hash": entry["hash"], "size": entry["size"]}
    put(
        f"named/{name}.json",
        compact({
            "formatVersion": more.get("format", 1),
            "epoch": epoch,
            "sequence": sequence,
            "schemaVersion": schema,
            "referenceVersion": reference,
            "generatedAt": moment,
            "publishedAt": moment,
            "manifest": {**ref(manifest), **({"size": more["manifest_size"]} if "manifest_size" in more else {})},
            "bootstrap": ref(bootstrap),
        }),
    )


shutil.rmtree(STORE, ignore_errors=True)
for name, version in VERSIONS.items():
    put_version(name, *version)
# In this order: an object is called after the first version that has it.
(STORE / "names.json").write_text(compact(list(VERSIONS)) + "\n")
print(f"{len(VERSIONS)} versions, {sum(1 for path in STORE.rglob('*.json'))} files")
