// The runner's side of the driver protocol: a line of JSON each way, over the driver's standard input and
// output. ../README.md describes it.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

// No command waits for anything that takes so long; a driver that does hangs.
const SILENT_MS = 120_000;

/** Starts a driver; `command` is a program and its arguments. */
export function startDriver(command) {
  const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const calls = new Map();
  const listeners = new Set();
  let nextId = 1;
  let ended;
  const driver = {
    /** What happened in the driver since it was last taken. */
    events: [],
    moment: 0,
    /** Sends a command and waits for its reply. */
    call(command) {
      if (ended) return Promise.reject(ended);
      const id = nextId++;
      child.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          calls.delete(id);
          reject(new Error(`the driver does not reply to "${command.do}"`));
        }, SILENT_MS);
        const settled = (settle) => (value) => {
          clearTimeout(timer);
          settle(value);
        };
        calls.set(id, { resolve: settled(resolve), reject: settled(reject) });
      });
    },
    /** Resolves at the next line that is not a reply. */
    changed: (moment) =>
      moment === driver.moment ? new Promise((resolve) => listeners.add(resolve)) : Promise.resolve(),
    async close() {
      child.stdin.end();
      await exited;
    },
  };
  const exited = new Promise((resolve) => {
    child.on('error', (error) => end(error, resolve));
    child.on('exit', (code, signal) => end(new Error(`the driver ended with ${signal ?? code}`), resolve));
  });
  function end(error, resolve) {
    ended = error;
    for (const { reject } of calls.values()) reject(error);
    resolve();
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    // Engines print things of their own.
    if (!line.startsWith('{')) return;
    const message = JSON.parse(line);
    if ('reply' in message) {
      const call = calls.get(message.reply);
      calls.delete(message.reply);
      if (message.failed) call?.reject(new Error(`the driver failed: ${message.failed}`));
      else call?.resolve(message);
    } else {
      if (message.event !== 'work') driver.events.push(message);
      driver.moment++;
      for (const listener of listeners) listener();
      listeners.clear();
    }
  });
  return driver;
}
