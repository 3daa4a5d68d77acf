import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheIn } from './cache.js';
import type { CacheStorage } from './loaded.js';

/**
 * Files in a folder, for servers, command lines and desktop apps.
 *
 * Each value is written aside, flushed and renamed, and the folder flushed: after a power cut a file has its
 * old content or its new one.
 *
 * The folder itself may be a symbolic link. A link below it is an error and is not followed, and so is whatever
 * is no regular file. Node opens files by their whole path, so a program that may write into the folder can still
 * put a link in place of a folder between the look and the opening; it cannot do so with the file itself.
 */
export function fileStorage(folder: string): CacheStorage {
  let written = 0;
  const partsOf = (key: string): string[] => {
    const parts = key.split('/');
    if (parts.some((part) => !/^[\w-][\w.-]*$/.test(part))) throw new Error(`"${key}" is no key of ours`);
    return parts;
  };
  return cacheIn({
    getItem: async (key) => {
      const parts = partsOf(key);
      const path = join(folder, ...parts);
      if (!(await isFile(folder, parts))) return null;
      try {
        return await readFile(path);
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    setItem: async (key, value) => {
      const parts = partsOf(key);
      const path = join(folder, ...parts);
      await makeFolders(folder, parts.slice(0, -1));
      await isFile(folder, parts);
      const aside = await createAside(() => `${path}.${process.pid}-${written++}.tmp`);
      try {
        await writeDurably(aside.file, value);
        await rename(aside.path, path);
      } catch (error) {
        await rm(aside.path, { force: true });
        throw error;
      }
      await flushFolder(dirname(path));
    },
    removeItem: async (key) => {
      const parts = partsOf(key);
      if (await isFile(folder, parts)) await rm(join(folder, ...parts), { force: true });
    },
  });
}

// Node on Windows knows neither.
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
// A FIFO without a writer must not make anybody wait.
const NO_WAIT = constants.O_NONBLOCK ?? 0;

// Whether a file is there; what is no file, and a folder above it that is none, is an error.
async function isFile(folder: string, parts: string[]): Promise<boolean> {
  let path = folder;
  for (const [at, part] of parts.entries()) {
    path = join(path, part);
    const isLast = at === parts.length - 1;
    try {
      const found = await lstat(path);
      if (found.isSymbolicLink()) throw new Error(`${path} is a symbolic link`);
      if (isLast ? !found.isFile() : !found.isDirectory())
        throw new Error(`${path} is not a ${isLast ? 'file' : 'folder'}`);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }
  return true;
}

async function makeFolders(folder: string, parts: string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  let path = folder;
  for (const part of parts) {
    path = join(path, part);
    try {
      await mkdir(path);
    } catch (error) {
      // What it is is looked at next.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

async function readFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is not a file`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

// Under a name that is free: what has it may be a link, or left by a process that had our number.
async function createAside(nextName: () => string): Promise<{ path: string; file: FileHandle }> {
  for (;;) {
    const path = nextName();
    try {
      return { path, file: await open(path, 'wx') };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

async function writeDurably(file: FileHandle, value: string): Promise<void> {
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
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
