// The format's vectors, written by Python and b3sum: what every reader must agree on.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blake3 } from '../dist/blake3.js';
import {
  compareOrder,
  parseManifest,
  parseVersion,
  splitBootstrap,
  tableObject,
  VERSION_MAX_BYTES,
} from '../dist/format.js';
import { encode } from '../dist/text.js';
import { encodePlain } from '../dist/text-encoder.js';

const REFUSALS = { format: 'format_unsupported', json: 'not_json', 'content-hash': 'not_json' };

function casesOf(name) {
  const url = new URL(`../../tests/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')).cases;
}

test('BLAKE3 gives the hashes that b3sum gives', () => {
  for (const { text, times = 1, size, blake3: expected } of casesOf('hashes')) {
    const bytes = encode(text.repeat(times));
    assert.equal(bytes.length, size);
    assert.equal(blake3(bytes), expected, `${size} bytes`);
  }
});

test('BLAKE3 gives the right hash for the inputs of the official vectors', () => {
  // The inputs of test_vectors.json of the BLAKE3 team, the bytes 0, 1, ... 250, 0, 1, ... in lengths around
  // every edge of the tree; the hashes are those that b3sum gives.
  for (const { input_len: size, hash } of JSON.parse(
    readFileSync(new URL('blake3-vectors.json', import.meta.url), 'utf8'),
  ).cases) {
    const bytes = Uint8Array.from({ length: size }, (_, at) => at % 251);
    assert.equal(blake3(bytes), hash.slice(0, 64), `${size} bytes`);
    // A view that does not begin where its buffer does.
    const within = new Uint8Array(size + 3);
    within.set(bytes, 3);
    assert.equal(blake3(within.subarray(3)), hash.slice(0, 64), `${size} bytes, not aligned`);
  }
});

test('UTF-8 without TextEncoder is the same UTF-8', () => {
  for (const text of [
    '',
    'a',
    'größe',
    '力',
    '😀',
    '\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}',
  ]) {
    assert.deepEqual(encodePlain(text), encode(text));
  }
});

test('a version is read or refused as the vectors say', () => {
  for (const { name, text, order, manifest, refused } of casesOf('versions')) {
    if (refused === 'size') {
      assert.ok(encode(text).length > VERSION_MAX_BYTES, name);
    } else if (refused) {
      assert.throws(() => parseVersion(text), { code: REFUSALS[refused] }, name);
    } else {
      const version = parseVersion(text);
      assert.deepEqual([version.epoch, version.sequence], order, name);
      assert.equal(version.manifest.hash, manifest, name);
    }
  }
});

test('versions are ordered as the vectors say', () => {
  const orderOf = ([epoch, sequence]) => ({ epoch, sequence });
  for (const { older, newer } of casesOf('order')) {
    assert.ok(compareOrder(orderOf(older), orderOf(newer)) < 0, `${older} ${newer}`);
    assert.ok(compareOrder(orderOf(newer), orderOf(older)) > 0, `${older} ${newer}`);
    assert.equal(compareOrder(orderOf(older), orderOf(older)), 0);
  }
});

test('a manifest is read or refused as the vectors say', () => {
  for (const { name, text, tables, refused } of casesOf('manifests')) {
    if (refused) {
      assert.throws(() => parseManifest(text), { code: REFUSALS[refused] }, name);
    } else {
      const found = Object.entries(parseManifest(text).tables).map(([key, { hash }]) => [key, hash]);
      assert.deepEqual(Object.fromEntries(found), tables, name);
    }
  }
});

test('a table object is written as the vectors say', () => {
  for (const { name, schemaVersion, table, rows, object } of casesOf('table-objects')) {
    assert.equal(tableObject(schemaVersion, table, rows.join(',\n')), object, name);
  }
});

test('a bootstrap object falls into the table objects that it was made of', () => {
  for (const { name, schemaVersion, tables, object } of casesOf('bootstrap-objects')) {
    const split = splitBootstrap(object, schemaVersion);
    assert.deepEqual([...split.keys()].sort(), Object.keys(tables).sort(), name);
    for (const [key, rows] of Object.entries(tables)) {
      assert.equal(split.get(key), tableObject(schemaVersion, key, rows.join(',\n')), `${name}: ${key}`);
    }
  }
});
