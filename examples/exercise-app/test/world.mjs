// The world of the app's tests: a real publisher and server, the built app behind a web server that passes
// /reference on, and Chromium, used as a person uses it.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const APP = fileURLToPath(new URL('..', import.meta.url));
const BUILT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why the tests cannot run here; false where they can. */
export function reasonToSkip() {
  if (!existsSync(executablePath)) return `no ${executablePath}; name one by CHROMIUM`;
  return existsSync(join(BUILT, 'publisher')) ? false : 'publisher is not built; `./dev test` builds it';
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Chromium, without what it would ask the world for by itself. */
export function startBrowser() {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** The built app behind a web server of its own, which passes /reference on. */
export async function serveApp(reference, dist = join(APP, 'dist')) {
  const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
  const server = createServer((asked, answer) => {
    const path = new URL(asked.url, 'http://localhost').pathname;
    if (path.startsWith('/reference/')) {
      const to = reference + asked.url.slice('/reference'.length);
      const passed = request(to, { headers: asked.headers }, (got) => {
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
        got.on('error', () => answer.destroy());
      });
      passed.on('error', () => answer.destroy());
      asked.on('close', () => passed.destroy());
      passed.end();
      return;
    }
    const file = join(dist, path === '/' ? 'index.html' : path);
    if (!existsSync(file)) return void answer.writeHead(404).end();
    answer.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
    answer.end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, end };
}

export class World {
  #ends = [];
  #folder = mkdtempSync(join(tmpdir(), 'tablecast-app-'));

  /** Publishes the repository's tables, serves them and the app. */
  static async create(dist = join(APP, 'dist')) {
    const world = new World();
    // The private PostgreSQL is another user's.
    chmodSync(world.#folder, 0o755);
    try {
      cpSync(join(ROOT, 'json-source'), join(world.#folder, 'json-source'), { recursive: true });
      cpSync(join(ROOT, 'tablecast.toml'), join(world.#folder, 'tablecast.toml'));
      world.publish();
      world.reference = await world.#serveSnapshots();
      const app = await serveApp(world.reference, dist);
      world.#ends.push(app.end);
      world.url = app.url;
      world.browser = await startBrowser();
      world.#ends.push(() => world.browser.close());
      return world;
    } catch (error) {
      await world.end();
      throw error;
    }
  }

  /** Runs the publisher on the files as they are now. */
  publish(...more) {
    this.#publisher('run', '--source', 'json-source', '--sql', join(ROOT, 'sql/migrations'), ...more);
  }

  rollback(sequence) {
    this.#publisher('rollback', '--to', String(sequence));
  }

  #publisher(...words) {
    // A PostgreSQL of its own, in this folder.
    const { DATABASE_URL: _, ...env } = process.env;
    execFileSync(join(BUILT, 'publisher'), words, { cwd: this.#folder, env, stdio: 'pipe' });
  }

  /** Changes a row in its table's file. */
  edit(table, key, change) {
    const path = join(this.#folder, `json-source/${table}.json`);
    const rows = JSON.parse(readFileSync(path, 'utf8'));
    const row = rows.find(({ id }) => id === key);
    if (row === undefined) throw new Error(`${table} has no row ${key}`);
    Object.assign(row, change);
    writeFileSync(path, JSON.stringify(rows, null, 2));
  }

  /** A browser of a person's own. */
  async person({ flag = 'off', ...options } = {}) {
    return Person.arrives(this.browser, this.url, flag, options);
  }

  async #serveSnapshots() {
    const server = spawn(
      join(BUILT, 'snapshot-server'),
      ['--root', join(this.#folder, 'snapshots'), '--listen', '127.0.0.1:0'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#ends.push(() => ended(server));
    return new Promise((resolve, reject) => {
      let said = '';
      server.on('exit', () => reject(new Error(said)));
      server.stderr.on('data', (data) => {
        said += data;
        const place = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
        if (place) resolve(place[0]);
      });
    });
  }

  async end() {
    for (const end of this.#ends.reverse()) await end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A person with a browser: what they see and do, by the words on the screen. */
export class Person {
  static async arrives(browser, url, flag, options) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });
    // Long enough for a machine that has much else to do.
    context.setDefaultTimeout(Number(process.env.SMOKE_PATIENCE_MS ?? 30_000));
    const requests = [];
    context.on('request', (asked) => {
      if (new URL(asked.url()).pathname.startsWith('/reference')) requests.push(asked);
    });
    const page = await context.newPage();
    const person = new Person(context, page, requests, url);
    await page.goto(url);
    if (flag === 'on') await person.turnFlag(true);
    return person;
  }

  constructor(context, page, requests, url) {
    Object.assign(this, { context, page, requests, url });
  }

  /** Another tab of the same browser. */
  async tab() {
    const page = await this.context.newPage();
    await page.goto(this.url);
    return new Person(this.context, page, this.requests, this.url);
  }

  async open(path) {
    await this.page.goto(`${this.url}#/${path}`);
  }

  async goTo(tab) {
    await this.page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: tab }).click();
  }

  async turnFlag(on) {
    await this.goTo('Settings');
    const box = this.page.getByRole('checkbox', { name: /Reference data from the backend/ });
    await (on ? box.check() : box.uncheck());
    if (on) await this.sees('network');
    else await this.sees('local');
    await this.goTo('Exercises');
  }

  /** The network is gone for reference data; the app itself is on the device. */
  async goOffline() {
    await this.context.route('**/reference/**', (route) => route.abort('internetdisconnected'));
    this.requests.length = 0;
    await this.page.reload();
  }

  async goOnline() {
    await this.context.unroute('**/reference/**');
  }

  /** Waits until the line in the corner names this source. */
  async sees(source) {
    await this.page.locator(`.origin[data-source=${source}]`).waitFor();
  }

  text(locator) {
    return locator.allInnerTexts();
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  field(label) {
    return this.page.getByLabel(label, { exact: true });
  }

  async choose(label, option) {
    await this.field(label).selectOption({ label: option });
  }

  async close() {
    await this.context.close();
  }
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
