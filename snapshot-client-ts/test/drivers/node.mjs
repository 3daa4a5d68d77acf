// The driver on Node: `node node.mjs files` caches in files, `node node.mjs memory` in memory.

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fetchTransport } from '../../dist/index.js';
import { fileStorage } from '../../dist/node.js';
import { memoryStorage } from '../../dist/storage.js';
import { createSession } from './session.mjs';

const kinds = { files: newFiles, memory: newMemory };

async function newFiles() {
  // In memory where there is such a file system: every write is flushed, and a disk takes its time for that.
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tablecast-client-'));
  return {
    storage: fileStorage(folder),
    keys: async () => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
    },
    wipe: () => rm(join(folder, 'tablecast'), { recursive: true, force: true }),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

async function newMemory() {
  const values = new Map();
  return { storage: memoryStorage(values), keys: () => [...values.keys()], wipe: () => values.clear() };
}

const session = createSession({
  capabilities: ['streaming', 'sockets'],
  newStorage: kinds[process.argv[2] ?? 'files'],
  transport: fetchTransport(),
  send: (message) => process.stdout.write(`${JSON.stringify(message)}\n`),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
});

let last;
for await (const line of createInterface({ input: process.stdin })) last = session.handle(JSON.parse(line));
await last;
await session.handle({ id: 0, do: 'reset', run: 'end' });
process.exit(0);
