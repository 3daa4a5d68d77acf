// The conformance kit against the built package, wherever apps run.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { judge, readScenarios } from '../../tests/conformance/run.mjs';

const driver = (file, ...more) => [
  process.execPath,
  new URL(`drivers/${file}`, import.meta.url).pathname,
  ...more,
];

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const noBrowser = existsSync(chromium) ? false : `no ${chromium}; name one by CHROMIUM`;
// Its binaries are for these three.
const noHermes = ['linux', 'darwin', 'win32'].includes(process.platform)
  ? false
  : 'no Hermes for this platform';

const DRIVERS = {
  'Node with files': { command: driver('node.mjs', 'files') },
  'Node with memory': { command: driver('node.mjs', 'memory') },
  'Chromium with IndexedDB': { command: driver('browser.mjs', 'indexeddb'), skip: noBrowser },
  'Chromium with localStorage': { command: driver('browser.mjs', 'localstorage'), skip: noBrowser },
  'a Hermes VM': { command: driver('hermes.mjs'), skip: noHermes },
};

describe('every scenario passes', { concurrency: 2 }, () => {
  for (const [name, { command, skip = false }] of Object.entries(DRIVERS)) {
    test(`on ${name}`, { skip }, async (t) => {
      const outcomes = await judge(command, readScenarios());
      assert.ok(outcomes.length >= 60);
      const problems = outcomes.flatMap(({ name, problems }) =>
        problems.map((problem) => `${name}: ${problem}`),
      );
      assert.deepEqual(problems, []);
      const lacking = outcomes.filter((outcome) => outcome.lacking.length > 0).map(({ name }) => name);
      assert.deepEqual(lacking, [], 'nothing is out of its reach');
      t.diagnostic(`${outcomes.length} passed`);
    });
  }
});
