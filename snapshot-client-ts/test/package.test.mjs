// The package as it would be published: its size, its entries, its types.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { minify } from '@swc/core';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

// Minified and gzipped, in bytes: by SWC, with which Next.js builds, and by esbuild, which names things so that gzip
// finds less to share. A byte more is a decision, not an accident.
const LIMITS = {
  'index.js': [6_500, 6_950],
  'storage.js': [4_200, 4_450],
  'node.js': [4_200, 4_450],
  'react.js': [300, 300],
  'lifecycle.js': [400, 400],
  'events.js': [500, 500],
  'xhr.js': [500, 500],
  'explain.js': [1_600, 1_600],
  'text-encoder.js': [300, 300],
  'local.js': [5_000, 5_250],
  // Both providers: an app that imports it has them already.
  'plan.js': [6_200, 6_650],
};

function run(program, ...args) {
  try {
    return execFileSync(`${ROOT}node_modules/.bin/${program}`, args, { cwd: ROOT, encoding: 'utf8' });
  } catch (error) {
    return assert.fail(`${program} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
  }
}

/** An entry with all that it imports, in one file. */
async function bundle(file, options) {
  const { outputFiles } = await build({
    entryPoints: [`${ROOT}dist/${file}`],
    bundle: true,
    format: 'esm',
    target: 'es2020',
    external: ['react', 'node:*'],
    write: false,
    ...options,
  });
  return outputFiles[0].text;
}

test('no entry is larger than its limit', async (t) => {
  const sizeOf = (text) => gzipSync(text, { level: 9 }).length;
  for (const [file, limits] of Object.entries(LIMITS)) {
    const { code } = await minify(await bundle(file), {
      module: true,
      ecma: 2020,
      compress: { passes: 3, unsafe_arrows: true, pure_getters: true },
      mangle: true,
    });
    const sizes = [sizeOf(code), sizeOf(await bundle(file, { minify: true }))];
    t.diagnostic(`${file}: ${sizes[0]} bytes by SWC, ${sizes[1]} by esbuild`);
    for (const at of [0, 1]) {
      assert.ok(sizes[at] <= limits[at], `${file} has ${sizes[at]} bytes, at most ${limits[at]} are allowed`);
    }
  }
});

test('every error has a sentence, and the core carries none of them', async () => {
  const { explain } = await import('../dist/explain.js');
  const { ReferenceDataError } = await import('../dist/index.js');
  const codes = readFileSync(`${ROOT}src/errors.ts`, 'utf8').match(/(?<=^ {2}\| ')\w+/gm);
  assert.equal(codes.length, 21);
  for (const code of codes)
    assert.match(explain(new ReferenceDataError(code, 'grips')), /^\w.+ \(\w+: grips\); \w.+$/);
  assert.doesNotMatch(await bundle('index.js'), /captive portal/);
});

test('there are no dependencies at run time', () => {
  const { dependencies, peerDependenciesMeta } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  assert.equal(dependencies, undefined);
  assert.deepEqual(peerDependenciesMeta, { react: { optional: true } });
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(readFileSync(`${ROOT}package-lock.json`, 'utf8'), /"resolved"/);
});

test('publint finds nothing', () => {
  run('publint', '--strict');
});

test('every way to resolve types finds them', () => {
  run('attw', '--pack', '.', '--profile', 'esm-only');
});

test('an app may do what it should, and no more', () => {
  run('tsc', '-p', 'test/types');
});
