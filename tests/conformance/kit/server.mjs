// A server of a store with faults by order: real sockets, on a port of its own.

import { createServer } from 'node:http';

const PORTAL = '<!doctype html><title>Free Wi-Fi</title><p>Log in to go on.';
// More than a busy browser takes in before it learns that its page has had enough.
const FLOOD_BYTES = 64 << 20;

/**
 * Starts the server. It serves the store below any first folder of a path, so that each run has addresses
 * of its own, and keeps a log of what it was asked for.
 */
export async function startServer(store) {
  const state = newState();
  const server = createServer((request, response) => answer(store, state, request, response));
  server.keepAliveTimeout = 1;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    state,
    port: server.address().port,
    /** Forgets everything, for the next scenario. */
    reset() {
      server.closeAllConnections();
      Object.assign(state, newState());
    },
    /** Answers what is held. */
    release() {
      for (const held of [...state.open]) held.release?.();
    },
    /** Resolves when something has happened since `state.moment` was this. */
    changed: (moment) =>
      moment === state.moment
        ? new Promise((resolve) => {
            state.listeners.add(resolve);
          })
        : Promise.resolve(),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function newState() {
  return {
    /** The name of the version that version.json is. */
    published: undefined,
    /** Labels of objects that are gone. */
    pruned: new Set(),
    /** Faults, each `{on, do, ...}`; the first that fits is taken. */
    faults: [],
    /** What was asked for, as labels. */
    requests: [],
    received: 0,
    bodyBytes: 0,
    /** Requests without a complete answer. */
    open: new Set(),
    flooded: false,
    moment: 0,
    listeners: new Set(),
  };
}

function moved(state) {
  state.moment++;
  for (const listener of state.listeners) listener();
  state.listeners.clear();
}

function answer(store, state, request, response) {
  const url = new URL(request.url, 'http://localhost');
  const path = url.pathname.replace(/^\/[^/]+\//, '');
  const again = url.searchParams.has('again');
  const label = path === 'version.json' ? path : (store.labelOf(path) ?? path);
  const plain = request.method === 'GET' ? '' : `${request.method} `;
  state.requests.push(`${plain}${label}${again ? '?again' : ''}`);
  // What a redirect led to was not asked for by the client.
  if (/^\/run/.test(url.pathname)) state.received++;
  const exchange = { url: request.url, held: false };
  state.open.add(exchange);
  response.on('close', () => {
    state.open.delete(exchange);
    moved(state);
  });
  moved(state);

  response.setHeader('access-control-allow-origin', '*');
  // A page may read neither of another site's without this.
  response.setHeader('access-control-expose-headers', 'retry-after, date');
  response.setHeader('cache-control', 'no-store');
  // So that no platform takes a lost connection for an old one and asks again by itself.
  response.setHeader('connection', 'close');
  const content = contentOf(store, state, path, label);
  respond(store, state, exchange, response, content, takeFault(state, label, again));
}

function contentOf(store, state, path, label) {
  if (path === 'version.json') return state.published && Buffer.from(store.named(state.published).text);
  if (!store.labelOf(path) || state.pruned.has(label)) return undefined;
  return store.read(path);
}

function takeFault(state, label, again) {
  const fault = state.faults.find(
    ({ on, unlessAgain, times = Number.POSITIVE_INFINITY }) =>
      times > 0 && !(unlessAgain && again) && fits(on, label),
  );
  if (fault?.times) fault.times--;
  return fault;
}

/** `*`, `object` (all but version.json), `table`, `manifest`, `bootstrap`, or a label. */
function fits(on, label) {
  const kind = label.split('@')[0];
  if (on === '*' || on === label || on === kind) return true;
  if (label === 'version.json') return false;
  return on === 'object' || (on === 'table' && kind !== 'manifest' && kind !== 'bootstrap');
}

function respond(store, state, exchange, response, content, fault) {
  const send = (status, body, headers = {}) => {
    state.bodyBytes += body.length;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...headers,
    });
    response.end(body);
  };
  const normally = () => (content ? send(200, content) : send(404, Buffer.from('{"title":"Not Found"}')));
  const hold = () => {
    exchange.held = true;
    exchange.release = () => {
      exchange.held = false;
      exchange.release = undefined;
      normally();
    };
    moved(state);
  };
  switch (fault?.do) {
    case undefined:
      return normally();
    case 'status':
      return send(fault.status, Buffer.from(fault.body ?? ''), fault.headers);
    case 'page':
      return send(200, Buffer.from(PORTAL), { 'content-type': 'text/html' });
    case 'version':
      // Some cache is behind, or ahead.
      return send(200, Buffer.from(store.named(fault.name).text));
    case 'add-fields':
      return send(200, Buffer.from(content.toString().replace('{', '{"later":{"a":[1]},')));
    case 'text':
      return send(200, Buffer.from(fault.text));
    case 'short':
      return send(200, content.subarray(0, fault.bytes));
    case 'flip': {
      const damaged = Buffer.from(content);
      damaged[fault.byte] ^= 1;
      return send(200, damaged);
    }
    case 'long':
      return send(200, Buffer.concat([content, Buffer.alloc(fault.bytes, ' ')]));
    case 'object':
      // Another object's bytes: right in themselves, and not what was asked for.
      return send(200, store.read(pathOf(store, fault.label)));
    case 'redirect':
      return send(302, Buffer.from(''), { location: fault.to });
    case 'hold':
      return hold();
    case 'stall':
      // A head and some bytes, and then nothing.
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': content.length });
      response.write(content.subarray(0, 10));
      exchange.held = true;
      return moved(state);
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': content.length });
      return response.write(content.subarray(0, fault.bytes), () => response.socket.destroy());
    case 'drop':
      return response.socket.destroy();
    case 'flood':
      return flood(state, response, content);
    default:
      throw new Error(`no fault is called "${fault.do}"`);
  }
}

function pathOf(store, label) {
  const [key, name] = label.split('@');
  const { manifest, version } = store.named(name);
  if (key === 'manifest') return `manifests/${version.manifest.hash}.json`;
  if (key === 'bootstrap') return `bootstrap/${version.bootstrap.hash}.json`;
  return `tables/${key}/${manifest.tables[key].hash}.json`;
}

// Sends without a length and without an end, until the client has had enough.
function flood(state, response, content) {
  response.writeHead(200, { 'content-type': 'application/json' });
  let sent = 0;
  const more = () => {
    while (!response.destroyed) {
      if (sent >= FLOOD_BYTES) {
        state.flooded = true;
        return response.end();
      }
      const piece = sent === 0 ? content : Buffer.alloc(65536, ' ');
      sent += piece.length;
      if (!response.write(piece)) return response.once('drain', more);
    }
  };
  more();
}
