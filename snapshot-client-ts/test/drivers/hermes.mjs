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
// Who waits until the VM has seen how far its body has come: it may have had enough.
const seen = new Map();

// As React Native's XMLHttpRequest: progress is told, and the text is there at the end.
async function request({ fetch: id, url }) {
  const aborter = new AbortController();
  aborters.set(id, aborter);
  let given = 'null';
  try {
    const { status, headers, body } = await fetch(url, { signal: aborter.signal });
    const response = { status, headers: Object.fromEntries(headers), responseText: '' };
    const head = parsed(JSON.stringify(response));
    const decoder = new TextDecoder();
    let loaded = 0;
    for await (const part of body ?? []) {
      loaded += part.length;
      response.responseText += decoder.decode(part, { stream: true });
      const told = new Promise((resolve) => seen.set(id, resolve));
      evaluate(`progressed(${id},${loaded},${head})`);
      await told;
    }
    given = parsed(JSON.stringify(response));
  } catch {
    // No response, or one cut off; an app is told no more than that.
  }
  aborters.delete(id);
  evaluate(`fetched(${id},${given})`);
}

createInterface({ input: vm.stdout }).on('line', (line) => {
  const text = line.slice(line.indexOf('{'));
  if (!line.includes('{"')) return process.env.HERMES_SHOW ? console.error(line) : undefined;
  if (text.startsWith('{"fetch":')) void request(JSON.parse(text));
  else if (text.startsWith('{"abortFetch":')) aborters.get(JSON.parse(text).abortFetch)?.abort();
  else if (text.startsWith('{"progressSeen":')) seen.get(JSON.parse(text).progressSeen)?.();
  else process.stdout.write(`${text}\n`);
});
vm.on('exit', () => process.exit(0));

evaluate(await bundle());
for await (const line of createInterface({ input: process.stdin })) evaluate(`handle(${parsed(line)})`);
vm.stdin.end();
