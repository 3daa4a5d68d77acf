// Small damages to the facade, the hooks and the provider. Each must turn at least one of the app's tests red:
// a test that passes on a damaged app holds nothing.
//
// Run by `./dev mutate-smoke`. Each damage is made in a copy of the app, which is built and tested.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('..', import.meta.url));
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SERVICE = 'src/reference/service.ts';
const SCORING = 'src/reference/scoring.ts';

/** What is damaged, in which file, and how. */
const MUTATIONS = [
  ['no exercise category', SERVICE, "rows('exerciseCategories'),", '[],'],
  [
    'motions of another table',
    SERVICE,
    "getMotions: () => rows('motions'),",
    "getMotions: () => rows('cardioTypes') as never,",
  ],
  ['equipment with attachments', SERVICE, '({ is_attachment }) => !is_attachment', '() => true'],
  ['muscle groups that are muscles', SERVICE, 'texts(parent_ids).length === 0', 'true'],
  ['no icon', SERVICE, "row('equipmentIcons', id)?.value", 'undefined as string | undefined'],
  ['focuses of every category', SERVICE, '({ category_id }) => category_id === categoryId', '() => true'],
  [
    'everything is allowed',
    SERVICE,
    "said === 'required' || said === 'forbidden' ? said : 'allowed'",
    "said === 'forbidden' ? said : 'allowed'",
  ],
  [
    'every grip for every equipment',
    SERVICE,
    'Array.isArray(allowed) ? all.filter',
    'Array.isArray(allowed) && allowed.length < 0 ? all.filter',
  ],
  ['paths of other motions', SERVICE, 'motion_id === null || lineage.includes(motion_id)', 'true'],
  ['no usual setup', SERVICE, "if (typeof id === 'string') found[modifier] = id;", ''],
  ['a motion is no kind of another', SERVICE, "id = row('motions', id)?.parent_id;", 'id = undefined;'],
  [
    'nobody is told of anything',
    SERVICE,
    "const ends = [provider.subscribe(changed), provider.on('status', changed)];",
    'const ends: (() => void)[] = [];\n      void changed;',
  ],
  ['the origin is always local', SERVICE, 'sources[current.source]', "'local'"],
  ['rules are not applied', SCORING, 'sign * delta', '0'],
  ['the usual setup counts twice', SCORING, '[r, -1] as const', '[r, 1] as const'],
  ['groups in any order', SCORING, '.sort(byScore);\n}', ';\n}'],
  ['the flag is ignored, off', 'src/reference/flag.ts', 'get: () => on,', 'get: () => false,'],
  ['the flag is ignored, on', 'src/reference/flag.ts', 'get: () => on,', 'get: () => true,'],
  ['the flag is forgotten', 'src/reference/flag.ts', 'memory.setItem(KEY, String(value));', ''],
  ['the flag tells nobody', 'src/reference/flag.ts', 'for (const listener of listeners) listener();', ''],
  ['nothing is cached', 'src/main.tsx', 'storage: webStorage(),', ''],
  ['the app ships nothing', 'src/reference/provider.ts', 'await files()', '{ grips: [] }'],
  [
    'icons are no table of the app',
    'src/reference/provider.ts',
    "mapKey: ['id', 'equipment_id']",
    "mapKey: ['equipment_id']",
  ],
  [
    'hooks do not see new data',
    'src/hooks/use-exercise-config.ts',
    '[service, state, read]',
    '[service, read]',
  ],
  [
    'common names are not searched',
    'src/hooks/use-exercises.ts',
    "Array.isArray(row?.common_names) ? row.common_names.join(' ') : ''",
    "''",
  ],
  [
    'what is gone is not said',
    'src/hooks/use-exercises.ts',
    'gone: named.filter(({ row }) => row === undefined).map(called)',
    'gone: []',
  ],
  ['what is gone has no name', 'src/hooks/use-exercises.ts', 'labels[found.id] ?? ', ''],
];

const only = process.argv[2];
let survived = 0;
for (const [name, file, from, to] of MUTATIONS.filter(
  ([name]) => only === undefined || name.includes(only),
)) {
  const began = performance.now();
  const failed = testsThatFail(file, from, to);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  if (failed.length === 0) survived += 1;
  console.log(
    `${failed.length === 0 ? 'SURVIVED' : 'caught  '}  ${name}: ${failed[0] ?? 'no test failed'} (${seconds} s)`,
  );
}
console.log(survived === 0 ? 'every damage was caught' : `${survived} survived`);
process.exitCode = survived === 0 ? 0 : 1;

/** The names of the tests that fail on the damaged app. */
function testsThatFail(file, from, to) {
  const home = join(ROOT, 'examples');
  const folder = mkdtempSync(join(home, '.mutated-'));
  try {
    for (const part of [
      'src',
      'test',
      'index.html',
      'package.json',
      'tsconfig.json',
      'vite.config.ts',
      'biome.json',
    ]) {
      cpSync(join(APP, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(APP, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2)
      throw new Error(`${file} has ${text.split(from).length - 1} of: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    const build = spawnSync('npx', ['vite', 'build', '--logLevel', 'warn'], {
      cwd: folder,
      encoding: 'utf8',
    });
    if (build.status !== 0) throw new Error(`${file} does not build: ${build.stderr}`);
    const env = { ...process.env, SMOKE_PATIENCE_MS: '6000', SMOKE_PICTURES: 'off' };
    for (const tests of ['test/smoke.test.mjs', 'test/special.test.mjs']) {
      const { stdout } = spawnSync('node', ['--test', tests], { cwd: folder, env, encoding: 'utf8' });
      const failed = [...stdout.matchAll(/^ +not ok \d+ - (.*)$/gm)].map(([, test]) => test);
      if (failed.length > 0) return failed;
    }
    return [];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
