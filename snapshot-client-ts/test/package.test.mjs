// The package as it would be published: its size, its entries, its types.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

// Minified and gzipped. A byte more is a decision, not an accident.
const LIMITS = {
  'index.js': 8_400,
  'storage.js': 4_000,
  'node.js': 4_000,
  'react.js': 300,
  'lifecycle.js': 400,
};

function run(program, ...args) {
  try {
    return execFileSync(`${ROOT}node_modules/.bin/${program}`, args, { cwd: ROOT, encoding: 'utf8' });
  } catch (error) {
    return assert.fail(`${program} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
  }
}

test('no entry is larger than its limit', async (t) => {
  for (const [file, limit] of Object.entries(LIMITS)) {
    const { outputFiles } = await build({
      entryPoints: [`${ROOT}dist/${file}`],
      bundle: true,
      minify: true,
      format: 'esm',
      target: 'es2020',
      external: ['react', 'node:*'],
      write: false,
    });
    const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
    t.diagnostic(`${file}: ${bytes} bytes`);
    assert.ok(bytes <= limit, `${file} has ${bytes} bytes, at most ${limit} are allowed`);
  }
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
