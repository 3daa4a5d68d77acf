"""A small snapshot written by hand, for the checkers to be tried on."""

import hashlib
import json
import os
import subprocess

COLUMNS = {
    "grips": {"id": "text", "is_active": "boolean", "label": "text", "parent_id": "text?", "sort_order": "integer"},
    "muscles": {"id": "text", "is_active": "boolean", "share": "double precision?", "targets": "jsonb"},
    "playlistTracks": {"added": "timestamp with time zone", "playlist": "integer", "track": "integer"},
}
PRIMARY_KEYS = {"grips": ["id"], "muscles": ["id"], "playlistTracks": ["playlist", "track"]}
# As text: the canonical form is what the checkers judge, so nothing here may make it.
ROWS = {
    "grips": [
        '{"id":"NEUTRAL","is_active":true,"label":"Neutral","parent_id":null,"sort_order":1}',
        '{"id":"Z","is_active":true,"label":"Zottman – größer","parent_id":"NEUTRAL","sort_order":1}',
        '{"id":"ä","is_active":true,"label":"","parent_id":"NEUTRAL","sort_order":1}',
        '{"id":"A","is_active":true,"label":"tab\\tquote\\"","parent_id":null,"sort_order":2}',
    ],
    # Long enough to have variants.
    "muscles": [
        '{"id":"M%02d","is_active":true,"share":%s,"targets":{"ARMS":{"BICEPS":0.5,"_score":1}}}' % (i, share)
        for i, share in enumerate(["0.1", "1e-7", "null", "100", "1e+21"] * 5)
    ],
    "playlistTracks": [
        '{"added":"2026-02-24T13:12:04Z","playlist":2,"track":3}',
        '{"added":"2026-02-24T13:12:04.5Z","playlist":2,"track":10}',
        '{"added":"2026-02-24T13:12:04Z","playlist":10,"track":1}',
    ],
}
GENERATED_AT = "2026-02-24T13:12:04Z"
SUFFIXES = {".zst": ["zstd", "-cq"], ".br": ["brotli", "-cq", "5"], ".gz": ["gzip", "-cn"]}


def write_snapshot(root, rows=None, columns=None, edit_manifest=None, edit_version=None, sequence=1):
    """Publishes rows (texts of JSON objects) as a whole snapshot.

    The edits change a manifest or version before it is written, so that
    everything that points at it still fits: the lie is one level deep.
    """
    rows = rows or ROWS
    columns = columns or COLUMNS
    tables, bodies = {}, {}
    for key in sorted(rows):
        bodies[key] = "[\n" + ",\n".join(rows[key]) + "\n]" if rows[key] else "[]"
        text = '{"schemaVersion":"1.0","table":"%s","rows":%s}' % (key, bodies[key])
        entry = put_object(root, f"tables/{key}", text)
        entry.update(
            rows=len(rows[key]),
            versionSeq=7,
            inBootstrap=True,
            primaryKey=PRIMARY_KEYS[key],
            columns=columns[key],
            schemaFingerprint=fingerprint(columns[key], PRIMARY_KEYS[key]),
        )
        tables[key] = entry
    bootstrap = put_object(
        root,
        "bootstrap",
        '{"schemaVersion":"1.0","referenceVersion":"seq:7","generatedAt":"%s","tables":{%s}}'
        % (GENERATED_AT, ",".join('"%s":%s' % (key, bodies[key]) for key in sorted(bodies))),
    )
    manifest = {
        "formatVersion": 1,
        "schemaVersion": "1.0",
        "referenceVersion": "seq:7",
        "generatedAt": GENERATED_AT,
        "contentHash": blake3("".join(f"{tables[key]['hash']}  {key}\n" for key in sorted(tables))),
        "bootstrap": bootstrap,
        "tables": tables,
    }
    if edit_manifest:
        edit_manifest(manifest)
    data = json.dumps(manifest, separators=(",", ":"))
    manifest_hash = blake3(data)
    write(root, f"manifests/{manifest_hash}.json", data)
    version = {
        "formatVersion": 1,
        "epoch": 1771938724,
        "sequence": sequence,
        "schemaVersion": "1.0",
        "referenceVersion": "seq:7",
        "generatedAt": GENERATED_AT,
        "publishedAt": "2026-02-24T13:12:09Z",
        "manifest": {"hash": manifest_hash, "size": len(data.encode())},
        "bootstrap": {"hash": bootstrap["hash"], "size": bootstrap["size"]},
    }
    if edit_version:
        edit_version(version)
    data = json.dumps(version, separators=(",", ":"))
    write(root, f"versions/{version['epoch']}-{version['sequence']}.json", data)
    write(root, "version.json", data)


def put_object(root, folder, text):
    data = text.encode()
    name = blake3(text)
    path = write(root, f"{folder}/{name}.json", text)
    if len(data) >= 1024:
        for suffix, command in SUFFIXES.items():
            with open(path, "rb") as source, open(path + suffix, "wb") as target:
                subprocess.run(command, stdin=source, stdout=target, check=True)
    return {"hash": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def fingerprint(columns, primary_key):
    lines = "".join(f"{name} {columns[name]}\n" for name in sorted(columns))
    return blake3(lines + f"primary key {','.join(primary_key)}\n")[:16]


def blake3(text):
    result = subprocess.run(["b3sum", "--no-names"], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return result.stdout.decode().strip()


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path
