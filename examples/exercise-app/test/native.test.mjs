// The facade and the hooks as React Native bundles and runs them: by Metro, with package exports on and off, and in
// a Hermes VM.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Metro from 'metro';

const APP = fileURLToPath(new URL('..', import.meta.url)).replace(/.$/, '');
const CLIENT = fileURLToPath(new URL('../../../snapshot-client-ts', import.meta.url));
const SOURCE = fileURLToPath(new URL('../../../json-source', import.meta.url));
const HERMES = { linux: 'linux64-bin', darwin: 'osx-bin', win32: 'win64-bin' }[process.platform];
const require = createRequire(import.meta.url);

for (const isOn of [true, false]) {
  const skip = HERMES === undefined ? 'no Hermes for this platform' : false;
  test(`Metro with package exports ${isOn ? 'on' : 'off'}, run in Hermes`, { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tablecast-native-'));
    try {
      const code = await bundle(isOn);
      const files = readdirSync(SOURCE)
        .filter((name) => name.endsWith('.json'))
        .map((name) => [name, JSON.parse(readFileSync(join(SOURCE, name), 'utf8'))]);
      const given = `globalThis.FILES = ${JSON.stringify(Object.fromEntries(files))};\n`;
      const path = join(folder, 'app.js');
      writeFileSync(path, ascii(given + platformOfHermes() + code));
      const hermes = join(require.resolve('hermes-engine-cli/package.json'), '..', HERMES, 'hermes');
      const said = execFileSync(hermes, ['-O', '-w', path], { encoding: 'utf8' });
      // 1.70 of a bench press, less 0.20 for a close grip; 99 motions are active.
      assert.equal(said.trim(), JSON.stringify(['local', 99, 'CHEST', 1.5, true, 'Pronated', 'function']));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function bundle(isOn) {
  const config = await Metro.loadConfig(
    { cwd: APP },
    {
      projectRoot: APP,
      watchFolders: [CLIENT],
      cacheStores: [],
      reporter: { update() {} },
      resolver: {
        unstable_enablePackageExports: isOn,
        nodeModulesPaths: [join(APP, 'node_modules')],
        sourceExts: ['ts', 'tsx', 'js', 'json'],
      },
      transformer: {
        babelTransformerPath: join(APP, 'test/native/transformer.cjs'),
      },
      watcher: { watchman: {}, healthCheck: { enabled: false } },
    },
  );
  const { code } = await Metro.runBuild(config, {
    entry: join(APP, 'test/native/entry.ts'),
    dev: false,
    minify: false,
    platform: 'ios',
  });
  return code;
}

// The VM's program reads no UTF-8.
function ascii(text) {
  return text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// What React Native adds to the language; the rest of it is not needed without screens.
function platformOfHermes() {
  return `
    globalThis.global = globalThis;
    globalThis.window = globalThis;
    globalThis.performance = { now: () => Date.now() };
    // Time stands still: what is to come at once comes, and nothing here waits for more.
    globalThis.setTimeout = (call, ms) => {
      if (!(ms > 0)) Promise.resolve().then(call);
      return 1;
    };
    globalThis.clearTimeout = () => {};
    globalThis.process = { env: { NODE_ENV: 'production' } };
    globalThis.console = globalThis.console || { log: print, warn: print, error: print };
  `;
}
