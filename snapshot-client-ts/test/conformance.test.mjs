// The conformance kit against the built package.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, readScenarios } from '../../tests/conformance/run.mjs';

const driver = (file, ...more) => [
  process.execPath,
  new URL(`drivers/${file}`, import.meta.url).pathname,
  ...more,
];

const DRIVERS = {
  'Node with files': driver('node.mjs', 'files'),
  'Node with memory': driver('node.mjs', 'memory'),
};

for (const [name, command] of Object.entries(DRIVERS)) {
  test(`every scenario passes on ${name}`, async (t) => {
    const outcomes = await judge(command, readScenarios());
    assert.ok(outcomes.length >= 60);
    const problems = outcomes.flatMap(({ name, problems }) =>
      problems.map((problem) => `${name}: ${problem}`),
    );
    assert.deepEqual(problems, []);
    const lacking = outcomes.filter((outcome) => outcome.lacking.length > 0);
    t.diagnostic(
      `${outcomes.length - lacking.length} scenarios passed, ${lacking.length} need what it cannot do`,
    );
  });
}
