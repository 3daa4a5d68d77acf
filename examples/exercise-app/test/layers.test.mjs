// A screen that imports the client, or fetches, is refused by the linter.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('..', import.meta.url));

/** What the linter says of a file at this place. */
function lint(place, text) {
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-layers-'));
  try {
    cpSync(join(APP, 'biome.json'), join(folder, 'biome.json'));
    const path = join(folder, place);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
    const biome = join(APP, 'node_modules/.bin/biome');
    const { status, stdout, stderr } = spawnSync(biome, ['lint', '.'], { cwd: folder, encoding: 'utf8' });
    return { status, said: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const REFUSED = [
  [
    'src/screens/bad.tsx',
    "import { createRemoteProvider } from 'tablecast-client';\nexport const a = createRemoteProvider;\n",
  ],
  [
    'src/screens/bad.tsx',
    "import { memoryStorage } from 'tablecast-client/storage';\nexport const a = memoryStorage;\n",
  ],
  [
    'src/screens/bad.tsx',
    "import { createProvider } from '../reference/provider.js';\nexport const a = createProvider;\n",
  ],
  [
    'src/parts/bad.tsx',
    "import type { Row } from '../reference/tables.js';\nexport type A = Row<'grips'>;\n",
  ],
  ['src/screens/bad.tsx', "export const a = () => fetch('/reference/version.json');\n"],
  ['src/screens/bad.tsx', 'export const a = () => new XMLHttpRequest();\n'],
  [
    'src/hooks/bad.ts',
    "import { createRemoteProvider } from 'tablecast-client';\nexport const a = createRemoteProvider;\n",
  ],
];

for (const [place, text] of REFUSED) {
  test(`refused in ${place}: ${text.split('\n')[0]}`, () => {
    const { status, said } = lint(place, text);
    assert.equal(status, 1, said);
    assert.match(said, /noRestricted(Imports|Globals)/);
  });
}

test('a screen that reads by the hooks is welcome, and so is the client where the provider is made', () => {
  for (const [place, text] of [
    [
      'src/screens/good.tsx',
      "import { useExerciseConfig } from '../hooks/use-exercise-config.js';\nexport const a = useExerciseConfig;\n",
    ],
    [
      'src/reference/good.ts',
      "import { createRemoteProvider } from 'tablecast-client';\nexport const a = createRemoteProvider;\n",
    ],
  ]) {
    const { status, said } = lint(place, text);
    assert.equal(status, 0, said);
  }
});
