import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheIn } from './cache.js';
import type { CacheStorage } from './loaded.js';

/**
 * Files in a folder, for servers, command lines and desktop apps.
 *
 * Each value is written aside, flushed and renamed, and the folder flushed: after a power cut a file has its
 * old content or its new one.
 */
export function fileStorage(folder: string): CacheStorage {
  let written = 0;
  const pathOf = (key: string): string => {
    if (key.split('/').some((part) => !/^[\w-][\w.-]*$/.test(part)))
      throw new Error(`"${key}" is no key of ours`);
    return join(folder, key);
  };
  return cacheIn({
    getItem: async (key) => {
      try {
        return await readFile(pathOf(key), 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    setItem: async (key, value) => {
      const path = pathOf(key);
      const aside = `${path}.${process.pid}-${written++}.tmp`;
      await mkdir(dirname(path), { recursive: true });
      try {
        await writeDurably(aside, value);
        await rename(aside, path);
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
      await flushFolder(dirname(path));
    },
    removeItem: (key) => rm(pathOf(key), { force: true }),
  });
}

async function writeDurably(path: string, value: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(value);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function flushFolder(path: string): Promise<void> {
  // Windows cannot open a folder, and does not need it.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
