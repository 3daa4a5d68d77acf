// One bash, as a person has one: what a block of commands exports, starts and enters is there for the next.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a block may take: the first one compiles. */
const PATIENCE_MS = 20 * 60_000;

export class Shell {
  #folder = mkdtempSync(join(tmpdir(), 'tablecast-rehearsal-'));
  #bash;
  #said = '';
  #answer;
  #blocks = 0;

  constructor(cwd, env) {
    // The blocks come by a pipe of their own, so that no command reads them from its standard input.
    const loop = 'while read -r block <&3; do . "$block" </dev/null; printf "%s\\n" "$PWD" >&4; done';
    this.#bash = spawn('bash', ['-euo', 'pipefail', '-c', loop], {
      cwd,
      env,
      // A group of its own: what is left of it is ended together.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream.on('data', (data) => {
        this.#said += data;
      });
    }
    this.#bash.stdio[4].on('data', (folder) => this.#answer?.(folder.toString().trim()));
    this.#bash.on('exit', (status, signal) => this.#answer?.(new Error(`it ended with ${status ?? signal}`)));
    this.#bash.stdio[3].on('error', () => {});
  }

  /** Runs a block; gives what it printed, and the folder that it leaves the shell in. */
  async run(block) {
    this.#said = '';
    this.#blocks += 1;
    const path = join(this.#folder, `${this.#blocks}.sh`);
    writeFileSync(path, block);
    const answer = await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(new Error('it did not end')), PATIENCE_MS);
      this.#answer = (found) => {
        clearTimeout(timer);
        resolve(found);
      };
      this.#bash.stdio[3].write(`${path}\n`);
    });
    if (answer instanceof Error) {
      throw new Error(`${answer.message}:\n${block}\nIt printed:\n${this.#said}`);
    }
    return { folder: answer, said: this.#said };
  }

  /** Ends the shell and what it has started. */
  end() {
    try {
      process.kill(-this.#bash.pid, 'SIGTERM');
    } catch {
      // It has ended.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
