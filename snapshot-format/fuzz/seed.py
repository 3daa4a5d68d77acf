#!/usr/bin/env python3
"""Writes the vectors as the fuzzers' first corpus, which is not committed."""

import gzip
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "..", "tests", "vectors")
# As in fuzz_targets/row.rs.
KINDS = (
    "boolean smallint integer bigint real double numeric text uuid date time timestamp bytea json jsonb interval inet cidr".split()
)


def cases(name):
    with open(os.path.join(VECTORS, name + ".json"), encoding="utf-8") as file:
        return json.load(file)["cases"]


def seed(target, inputs):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    for number, content in enumerate(inputs):
        with open(os.path.join(folder, f"vector-{number:04}"), "wb") as file:
            file.write(content)


def rows():
    for case in cases("postgres-binary"):
        element = case["type"].removesuffix("[]")
        names = [name for name in KINDS if element.split("(")[0].split(" ")[0] == name]
        choice = KINDS.index(names[0] if names else "text") + len(KINDS) * case["type"].endswith("[]")
        yield bytes([choice]) + bytes.fromhex(case["binary"])


json_texts = [case["input"].encode() for case in cases("canonical-json")]
seed("json", json_texts)
seed("canonical", json_texts)
seed("decimal", [case["decimal"].encode() for case in cases("numbers")])
seed("key", [case["path"].encode() for case in cases("paths")])
seed("version", [case["text"].encode() for case in cases("versions")])
seed("manifest", [case["text"].encode() for case in cases("manifests")])
# 122 chooses gzip and a limit of 32 KiB.
seed("variant", [bytes([122]) + gzip.compress(b'{"id":"NEUTRAL"},' * 30, mtime=0)])
seed("row", rows())
