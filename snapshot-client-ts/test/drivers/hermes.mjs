// The driver in a real Hermes VM, the engine of React Native.
//
// The VM's prompt is fed with lines of JavaScript and prints lines of JSON. It has no network, so requests are made out
// here by Node.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';
import { build } from 'esbuild';

const FOLDERS = { linux: 'linux64-bin', darwin: 'osx-bin', win32: 'win64-bin' };

// As Metro does for an app: one bundle, lowered for the engine.
async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('vm.mjs', import.meta.url))],
    bundle: true,
    format: 'iife',
    write: false,
  });
  const { code } = await transform(outputFiles[0].text, {
    jsc: { target: 'es5', minify: { compress: false, mangle: false } },
    minify: true,
  });
  return code;
}

const path = new URL(
  `../../node_modules/hermes-engine-cli/${FOLDERS[process.platform]}/hermes`,
  import.meta.url,
);
const vm = spawn(fileURLToPath(path), ['-O', '-w'], { stdio: ['pipe', 'pipe', 'inherit'] });
// The prompt takes lines, and other characters than these in a way of its own.
const ascii = (text) =>
  text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const evaluate = (code) => vm.stdin.write(`${ascii(code)}\n`);

// JSON is not JavaScript where a key is called __proto__.
const parsed = (json) => `JSON.parse(${JSON.stringify(json)})`;

const aborters = new Map();

// As React Native's fetch: a text, whole or not at all.
async function fetchFor({ fetch: id, url }) {
  const aborter = new AbortController();
  aborters.set(id, aborter);
  let given = 'null';
  let error = 'null';
  try {
    const response = await fetch(url, { signal: aborter.signal });
    given = JSON.stringify({
      status: response.status,
      body: await response.text(),
      retryAfter: response.headers.get('retry-after'),
      date: response.headers.get('date'),
    });
  } catch (thrown) {
    error = JSON.stringify(String(thrown));
  }
  aborters.delete(id);
  evaluate(`fetched(${id},${parsed(given)},${error})`);
}

createInterface({ input: vm.stdout }).on('line', (line) => {
  const text = line.slice(line.indexOf('{'));
  if (!line.includes('{"')) return process.env.HERMES_SHOW ? console.error(line) : undefined;
  if (text.startsWith('{"fetch":')) void fetchFor(JSON.parse(text));
  else if (text.startsWith('{"abortFetch":')) aborters.get(JSON.parse(text).abortFetch)?.abort();
  else process.stdout.write(`${text}\n`);
});
vm.on('exit', () => process.exit(0));

evaluate(await bundle());
for await (const line of createInterface({ input: process.stdin })) evaluate(`handle(${parsed(line)})`);
vm.stdin.end();
