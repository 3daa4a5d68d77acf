// A folder for each entry of the package, for whoever does not read `exports`: Metro with package exports off, and
// resolvers that are older than them.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));

for (const [entry, to] of Object.entries(exports)) {
  if (entry === '.' || entry === './package.json') continue;
  const [main, types] = [to.default, to.types].map((path) => path.replace('./', '../'));
  mkdirSync(entry, { recursive: true });
  writeFileSync(`${entry}/package.json`, `${JSON.stringify({ type: 'module', main, types }, null, 2)}\n`);
}
