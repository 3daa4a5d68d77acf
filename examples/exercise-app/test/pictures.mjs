// Screenshots of each screen in each mode, kept as artefacts of a run. They are made anew when what they show may
// have changed: the built app or the tables. No pixel is compared.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const FOLDER = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'screens');

const inputs = createHash('sha256');
for (const folder of [join(DIST, 'assets'), join(ROOT, 'json-source')]) {
  for (const name of readdirSync(folder).sort()) inputs.update(name).update(readFileSync(join(folder, name)));
}
const hash = inputs.digest('hex');

/** Keeps what the person sees under this name. */
export async function picture({ page }, name) {
  if (process.env.SMOKE_PICTURES === 'off') return;
  const [image, made] = [join(FOLDER, `${name}.png`), join(FOLDER, `${name}.inputs`)];
  if (existsSync(image) && existsSync(made) && readFileSync(made, 'utf8') === hash) return;
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({ path: image });
  writeFileSync(made, hash);
}
