// docs/rollout.md, carried out: each of its blocks is run as it stands, while a fleet of clients reads. After
// each block this script waits for what the page promises there, and says what it saw.
//
// It fails where a block does, where a promise is not kept, and where any client at any moment showed rows that
// were not to be shown then, or none.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser } from './browser.mjs';
import { sectionsOf } from './page.mjs';
import { SCENES } from './scenes.mjs';
import { Shell } from './shell.mjs';
import { publishedState } from './state.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** How long silence is listened to. */
const SILENCE_MS = 1_500;
/**
 * What may go wrong in the middle, and must be told: `node rehearse.mjs --break NAME` has to fail.
 *
 * - `bundle`: one user's app ships a row less
 * - `server`: the server is killed while the flag is turned on for more
 * - `publisher`: the publisher is killed while it publishes
 * - `rollback`: nobody takes the bad publication back
 */
const DAMAGES = ['bundle', 'server', 'publisher', 'rollback'];
const KILLED_PUBLISHER = 'publisher() { command publisher "$@" & sleep 0.2; kill -9 $!; wait $!; }\n';

class Rehearsal {
  began = performance.now();

  constructor(damage) {
    this.damage = damage;
    // How long a promise may take; the machine may have much else to do.
    this.patienceMs = damage === undefined ? 60_000 : 20_000;
  }

  say(text) {
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1).padStart(6);
    console.log(`${seconds} s  ${text}`);
  }

  async carryOut() {
    const sections = sectionsOf(join(ROOT, 'docs/rollout.md'));
    const [publicUrl, metricsUrl] = await freeUrls();
    const { DATABASE_URL: _, ...env } = process.env;
    this.publicUrl = publicUrl;
    this.metricsUrl = metricsUrl;
    this.shell = new Shell(ROOT, { ...env, PUBLIC_URL: publicUrl, METRICS_URL: metricsUrl });
    try {
      for (const section of sections.filter(({ blocks }) => blocks.length > 0)) {
        await this.#section(section);
      }
    } finally {
      this.fleet?.dispose();
      await this.browser?.close();
      this.shell.end();
    }
    this.say(`${this.fleet.looks} looks by ${this.fleet.size} clients, and each was right`);
  }

  async #section({ number, title, blocks }) {
    this.say(number === '' ? `--- ${title}` : `--- ${number}. ${title}`);
    const scenes = SCENES[number === '' ? title : number];
    if (scenes?.length !== blocks.length) {
      throw new Error(`"${title}" has ${blocks.length} blocks, and ${scenes?.length ?? 'none'} are expected`);
    }
    for (const [index, block] of blocks.entries()) {
      this.fleet?.wait();
      const { folder, said } = await this.shell.run(this.#spoilt(number, index, block));
      this.folder = folder;
      await scenes[index].call(this, said);
      this.fleet?.judge();
      this.#look();
    }
  }

  #spoilt(number, index, block) {
    const place = `${number}, ${index}`;
    if (this.damage === 'server' && place === '5, 0') return `kill -9 "$SERVER"\n${block}`;
    if (this.damage === 'publisher' && place === '7, 0') return KILLED_PUBLISHER + block;
    if (this.damage === 'rollback' && place === '7, 1') return 'publisher history\n';
    return block;
  }

  #look() {
    this.fleet?.look();
    if (this.fleet?.wrong.length > 0) {
      const [first] = this.fleet.wrong;
      throw new Error(`${first}, and that was not to be seen (${this.fleet.wrong.length} such looks)`);
    }
  }

  /** Waits until something holds; what is wrong meanwhile ends the wait. */
  async until(what, holds) {
    const end = performance.now() + this.patienceMs;
    for (;;) {
      this.#look();
      const found = await holds();
      if (found) return found;
      if (performance.now() > end) throw new Error(`not within ${this.patienceMs / 1000} s: ${what}`);
      await sleep(50);
    }
  }

  /** What the store has now; the label is what the playbook's edits lead to. */
  published(label) {
    const state = publishedState(join(this.folder, 'snapshots'));
    if (state.label !== label) throw new Error(`"${state.label}" is published, and "${label}" should be`);
    this.current = state;
    this.say(`published: version ${state.name}, "${label}"`);
    return state;
  }

  /** A user with a real browser, where there is one. */
  async openBrowser() {
    this.browser = await openBrowser(this.publicUrl);
    this.say(this.browser ? 'a user opens the exercise app in Chromium' : 'skipped: there is no Chromium');
  }

  /** Everybody with the flag on sees this state, and from then on no other. */
  async seenByAll(state) {
    await this.until(`every client with the flag on shows ${state.name}`, () =>
      this.fleet.look().every(({ on, confirmed, digest }) => !on || (confirmed && digest === state.digest)),
    );
    this.fleet.allow({ off: [this.bundled.digest], on: [state.digest] });
    if (this.browser?.isOn) await this.browser.sees(...state.label.split(', '));
    const on = this.fleet.look().filter(({ on }) => on).length;
    this.say(`${on} of ${this.fleet.size} clients show version ${state.name}, the others what the app ships`);
  }

  /** Time for things that are not to happen. */
  wait() {
    return sleep(SILENCE_MS);
  }

  /** Who has the flag off asks for nothing. */
  async silence() {
    await sleep(200);
    const asked = () =>
      this.fleet.requests().off + (this.browser?.isOn === false ? this.browser.requests() : 0);
    const before = asked();
    await this.wait();
    const made = asked() - before;
    if (made > 0) throw new Error(`${made} requests were made with the flag off`);
    this.say(`no request by a client with the flag off, in ${SILENCE_MS / 1000} s`);
  }

  async turn(share) {
    const said = Number(readFileSync(join(this.folder, 'flag-share'), 'utf8'));
    if (said !== share) throw new Error(`flag-share is ${said}`);
    this.say(`the flag is on for ${share} of 100`);
    this.fleet.turn(share, {
      off: [this.bundled.digest],
      on: [this.bundled.digest, this.current.digest],
    });
    // The user before the browser is among the first, and their app was built with the tables of this repository.
    await this.browser?.turn(share > 0);
    if (share === 0) await this.browser?.sees('Pronated', 'Supinated');
    await this.seenByAll(this.current);
    await this.silence();
  }
}

async function freeUrls() {
  const servers = [createServer(), createServer()];
  const urls = [];
  for (const server of servers) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    urls.push(`http://127.0.0.1:${server.address().port}`);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return urls;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const [flag, damage] = process.argv.slice(2);
if (flag !== undefined && (flag !== '--break' || !DAMAGES.includes(damage))) {
  console.error(`usage: rehearse [--break ${DAMAGES.join('|')}]`);
  process.exit(2);
}
const rehearsal = new Rehearsal(damage);
try {
  await rehearsal.carryOut();
  rehearsal.say('the rehearsal went as the playbook says');
} catch (error) {
  rehearsal.say(`FAILED: ${error.message}`);
  process.exitCode = 1;
}
