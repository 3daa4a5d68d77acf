// One scenario, one driver: performs the steps and compares what is seen with what is expected.

import { isDeepStrictEqual } from 'node:util';

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
// Only what is broken takes so long, also on a machine that has much else to do.
const STUCK_MS = 60_000;
let runs = 0;

/** The problems found, each a line; none where the client does what the scenario says. */
export async function runScenario(scenario, { store, server, driver }) {
  const problems = [];
  const run = {
    scenario,
    store,
    server,
    driver,
    problems,
    name: `run${++runs}`,
    newest: new Map(),
    events: [],
    results: {},
  };
  server.reset();
  driver.events.length = 0;
  await driver.call({ do: 'reset', run: run.name });
  for (const [index, step] of scenario.steps.entries()) {
    const place = `step ${index + 1} ${JSON.stringify(step).slice(0, 120)}`;
    try {
      for (const problem of await perform(run, step)) problems.push(`${place}: ${problem}`);
    } catch (error) {
      problems.push(`${place}: ${error.message}`);
      break;
    }
    if (problems.length > 0) break;
  }
  server.release();
  return problems;
}

async function perform(run, step) {
  const [verb] = Object.keys(step);
  if (!(verb in STEPS)) throw new Error(`no step is called "${verb}"`);
  const problems = (await STEPS[verb](run, step[verb], step.client ?? 'a')) ?? [];
  await settle(run);
  for (const event of run.driver.events.splice(0)) {
    if (event.event === 'result') run.results[event.as] = event;
    else run.events.push(event);
  }
  return [...problems, ...(await holdsAlways(run))];
}

const STEPS = {
  // --- the server ---
  publish: ({ server, store }, name) => {
    server.state.published = store.named(name).name;
  },
  unpublish: ({ server }) => {
    server.state.published = undefined;
  },
  prune: ({ server }, labels) => {
    for (const label of labels) server.state.pruned.add(label);
  },
  fault: ({ server }, fault) => {
    server.state.faults.push({ ...fault });
  },
  heal: ({ server }) => {
    server.state.faults.length = 0;
    server.state.pruned.clear();
  },
  release: ({ server }) => server.release(),

  // --- the client ---
  create: async ({ driver, server, store, name }, given, client) => {
    const { bundled, storage = 'device', config = {}, ...rest } = given;
    const shipped = bundled && store.named(bundled);
    await driver.call({
      do: 'create',
      client,
      baseUrl: `http://127.0.0.1:${server.port}/${name}/`,
      storage,
      config,
      bundled: shipped ? { version: shipped.version, bootstrap: shipped.bootstrap } : null,
      ...rest,
    });
  },
  /** A client that must refuse to be made. */
  refuse: async (run, given, client) => {
    const made = await STEPS.create(run, given, client).then(
      () => true,
      () => false,
    );
    return made ? ['the client was made, and should have been refused'] : [];
  },
  kill: ({ driver }, _, client) => driver.call({ do: 'kill', client }).then(() => []),
  refresh: ({ driver }, as, client) => driver.call({ do: 'refresh', client, as }).then(() => []),
  abort: ({ driver }, as, client) => driver.call({ do: 'abort', client, as }).then(() => []),
  read: ({ driver }, read, client) => driver.call({ do: 'read', client, ...read }).then(() => []),
  ready: ({ driver }, ready, client) => driver.call({ do: 'ready', client, ...ready }).then(() => []),
  start: ({ driver }, _, client) => driver.call({ do: 'start', client }).then(() => []),
  stop: ({ driver }, _, client) => driver.call({ do: 'stop', client }).then(() => []),
  dispose: ({ driver }, _, client) => driver.call({ do: 'dispose', client }).then(() => []),
  active: ({ driver }, is, client) => driver.call({ do: 'active', client, is }).then(() => []),
  online: ({ driver }, is, client) => driver.call({ do: 'online', client, is }).then(() => []),
  flag: ({ driver }, value, client) => driver.call({ do: 'flag', client, value }).then(() => []),
  mutate: ({ driver }, table, client) => driver.call({ do: 'mutate', client, table }).then(() => []),
  throwAt: ({ driver }, event, client) => driver.call({ do: 'throwAt', client, event }).then(() => []),

  // --- the device ---
  storage: ({ driver }, order) => driver.call({ do: 'storage', ...order }).then(() => []),
  wall: ({ driver }, text) => driver.call({ do: 'wall', ms: milliseconds(text) }).then(() => []),
  random: ({ driver }, value) => driver.call({ do: 'random', value }).then(() => []),
  advance: async (run, text) => {
    // Timer by timer, so that what one sets off is over before the next fires.
    for (let left = milliseconds(text); left > 0; ) {
      const { ms } = await run.driver.call({ do: 'advance', ms: left });
      left -= ms;
      await settle(run);
    }
  },
  /** Time passes, and no timer fires until it is over: the device slept. */
  sleep: (run, text) => run.driver.call({ do: 'sleep', ms: milliseconds(text) }).then(() => []),

  expect: (run, expected, client) => compare(run, expected, client),
};

/** Waits until nothing moves any more but what the server holds back. */
async function settle({ driver, server }) {
  for (;;) {
    const before = [driver.moment, server.state.moment];
    const { sent, inFlight } = await driver.call({ do: 'settle' });
    const { received, open } = server.state;
    const waiting = [...open];
    if (sent === received && waiting.every(({ held }) => held) && waiting.length === inFlight) {
      if (driver.moment === before[0] && server.state.moment === before[1]) return;
      continue;
    }
    const limit = Promise.race([driver.changed(before[0]), server.changed(before[1])]);
    if (await isLate(limit)) {
      const open = waiting.map(({ url, held }) => `${url}${held ? ' (held)' : ''}`);
      throw new Error(
        `nothing moves: the client sent ${sent}, the server received ${received}, ${inFlight} under way, open ${open}`,
      );
    }
  }
}

/** Whether a promise takes so long that something is broken; no scenario waits for this. */
async function isLate(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, STUCK_MS, true);
  });
  const result = await Promise.race([promise.then(() => false), late]);
  clearTimeout(timer);
  return result;
}

/** What no step may break: shown data is exactly what was published, and never older than before. */
async function holdsAlways({ scenario, store, driver, newest }) {
  const { clients } = await driver.call({ do: 'look' });
  const problems = [];
  for (const [client, { version, tables }] of Object.entries(clients)) {
    if (!version) continue;
    const name = store.nameOf(version);
    if (name.startsWith('unknown')) {
      problems.push(`client ${client} shows ${name}, which was never published`);
      continue;
    }
    if (tables && !isDeepStrictEqual(tables, store.named(name).tables))
      problems.push(`client ${client} shows other rows than ${name} has`);
    const before = newest.get(client);
    const back = before && (version.epoch - before.epoch || version.sequence - before.sequence) < 0;
    if (back && !scenario.goesBack) problems.push(`client ${client} went back to ${name}`);
    newest.set(client, version);
  }
  return problems;
}

async function compare(run, expected, client) {
  const { clients, stored } = await run.driver.call({ do: 'look', stored: 'stored' in expected });
  const seen = clients[client] ?? {};
  const { server, store, events, results } = run;
  const own = events.filter((event) => event.client === client);
  const requests = server.state.requests.splice(0);
  const found = {
    version: seen.version ? store.nameOf(seen.version) : null,
    source: seen.source ?? null,
    state: seen.status?.state,
    ready: seen.status?.ready,
    failures: seen.status?.failures,
    updateRequired: seen.status?.updateRequired ?? null,
    kind: seen.kind,
    timers: seen.timers,
    nextRefreshMs: seen.nextRefreshMs ?? null,
    sameSnapshot: seen.sameSnapshot,
    events: own.filter(({ event }) => event !== 'error').map(({ event }) => event),
    errors: own.filter(({ event }) => event === 'error').map(({ code }) => code),
    changedTables: own.filter(({ event }) => event === 'change').flatMap((event) => event.changedTables),
    requests,
    bodyBytes: server.state.bodyBytes,
    flooded: server.state.flooded,
    stored,
    results: Object.fromEntries(Object.keys(expected.results ?? {}).map((as) => [as, resultOf(results[as])])),
  };
  server.state.bodyBytes = 0;
  run.events = events.filter((event) => event.client !== client);
  return Object.entries(expected).flatMap(([field, value]) =>
    field === 'results'
      ? Object.entries(value).flatMap(([as, result]) => differences(as, found.results[as], result))
      : differences(field, found[field], value),
  );
}

// A result says as much as the scenario asks of it: its status, its error's code, its rows.
function resultOf(event) {
  if (!event) return 'pending';
  return event.error ?? event.value;
}

function differences(field, found, expected) {
  // Requests run beside each other, so their order is no promise.
  const inOrder = (value) => (field === 'requests' && Array.isArray(value) ? [...value].sort() : value);
  if (field === 'bodyBytes')
    return found <= expected ? [] : [`bodyBytes: ${found}, at most ${expected} expected`];
  if (expected !== null && typeof expected === 'object' && 'oneOf' in expected) {
    return expected.oneOf.some((each) => isDeepStrictEqual(found, each))
      ? []
      : [`${field}: ${JSON.stringify(found)}, expected one of ${JSON.stringify(expected.oneOf)}`];
  }
  if (expected !== null && typeof expected === 'object' && 'from' in expected) {
    return found >= expected.from && found <= expected.to
      ? []
      : [`${field}: ${found}, expected ${expected.from} to ${expected.to}`];
  }
  if (isDeepStrictEqual(inOrder(found), inOrder(expected))) return [];
  return [`${field}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`];
}

function milliseconds(text) {
  const [, number, unit] = /^(-?[\d.]+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (!unit) throw new Error(`"${text}" is no time; write 250ms, 5s, 5m, 2h or 1d`);
  return Number(number) * UNITS_MS[unit];
}
