#!/usr/bin/env node
// Judges clients by the scenarios: node run.mjs [--only TEXT] [--json FILE] [--list] NAME=COMMAND...
//
// Each COMMAND starts a driver, which ./README.md describes; NAME is what the report calls it.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startDriver } from './kit/driver.mjs';
import { runScenario } from './kit/run-scenario.mjs';
import { startServer } from './kit/server.mjs';
import { readStore } from './kit/store.mjs';

const SCENARIOS = new URL('scenarios/', import.meta.url);

/** All scenarios, in order of their files' names. */
export function readScenarios(only = '') {
  return readdirSync(SCENARIOS)
    .sort()
    .flatMap((file) => JSON.parse(readFileSync(new URL(file, SCENARIOS), 'utf8')).scenarios)
    .flatMap(unfold)
    .filter(({ name }) => name.includes(only));
}

/**
 * A scenario with `each` is as many scenarios: `$each` in it stands for one value after the
 * other, `$each.field` for a field of it.
 */
function unfold(scenario) {
  if (!scenario.each) return [scenario];
  const { each, ...rest } = scenario;
  return each.map((value) => {
    let text = JSON.stringify(rest).replaceAll('"$each"', JSON.stringify(value));
    for (const [field, part] of Object.entries(Object(value))) {
      text = text.replaceAll(`"$each.${field}"`, JSON.stringify(part));
    }
    return { ...JSON.parse(text), name: `${scenario.name} (${JSON.stringify(value)})` };
  });
}

/** Runs scenarios against one driver; for each its name and what came of it. */
export async function judge(command, scenarios) {
  const store = readStore();
  const server = await startServer(store);
  const driver = startDriver(command);
  const outcomes = [];
  try {
    const { capabilities } = await driver.call({ do: 'hello' });
    for (const scenario of scenarios) {
      const lacking = (scenario.needs ?? []).filter((need) => !capabilities.includes(need));
      const problems = lacking.length > 0 ? [] : await runScenario(scenario, { store, server, driver });
      outcomes.push({ name: scenario.name, lacking, problems });
    }
  } finally {
    await driver.close();
    await server.close();
  }
  return outcomes;
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' }, json: { type: 'string' }, list: { type: 'boolean' } },
    allowPositionals: true,
  });
  const scenarios = readScenarios(values.only);
  if (values.list) {
    for (const { name, about } of scenarios) console.log(`${name}: ${about}`);
    return 0;
  }
  if (positionals.length === 0) {
    console.error(
      'error: no driver is named\nusage: node run.mjs [--only TEXT] [--json FILE] [--list] NAME=COMMAND...',
    );
    return 2;
  }
  const report = {};
  for (const positional of positionals) {
    const [name, ...command] = positional.split('=');
    report[name] = await judge(command.join('=').split(' '), scenarios);
  }
  if (values.json) writeFileSync(values.json, JSON.stringify(report, null, 1));
  return printReport(report);
}

function printReport(report) {
  let failed = 0;
  for (const [driver, outcomes] of Object.entries(report)) {
    for (const { name, problems } of outcomes) {
      if (problems.length > 0) failed++;
      for (const problem of problems) console.log(`${driver}: ${name}: ${problem}`);
    }
    const count = (wanted) => outcomes.filter(wanted).length;
    const passed = count(({ lacking, problems }) => lacking.length + problems.length === 0);
    const lacking = count((outcome) => outcome.lacking.length > 0);
    console.log(
      `${driver}: ${passed} of ${outcomes.length} scenarios passed, ${lacking} need what it cannot do`,
    );
  }
  return failed > 0 ? 1 : 0;
}

if (process.argv[1] === new URL(import.meta.url).pathname) process.exitCode = await main();
