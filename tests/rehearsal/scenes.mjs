// What each block of the playbook leads to: by section a function for each of its blocks, called with what the
// block printed; `this` is the rehearsal.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { localBundle } from '../../snapshot-client-ts/dist/local.js';
import { Fleet } from './fleet.mjs';
import { publishedState } from './state.mjs';

const USERS = 50;
const PAGE = fileURLToPath(new URL('../../docs/rollout.md', import.meta.url));

/** By a section's number, or its title where it has none. */
export const SCENES = {
  'A place to try it': [() => {}, () => {}],
  1: [
    function () {
      this.published('Pronated, Supinated');
    },
    function () {
      this.published('Overhand, Supinated');
    },
    function () {
      const shipped = (name) =>
        JSON.parse(readFileSync(join(this.folder, `app/reference/${name}.json`), 'utf8'));
      this.bundled = this.current;
      this.bundle = {
        version: shipped('version'),
        manifest: shipped('manifest'),
        bootstrap: shipped('bootstrap'),
      };
    },
    function (said) {
      const failed = said.split('\n').filter((line) => /^(FAILED|skipped)/.test(line));
      if (failed.length > 0) throw new Error(`preflight: ${failed.join('\n')}`);
      this.say(
        `preflight: ${said.split('\n').filter((line) => line.startsWith('passed')).length} checks passed`,
      );
    },
  ],
  2: [
    async function () {
      const spoilt = structuredClone(this.bundle);
      spoilt.bootstrap.tables.grips = spoilt.bootstrap.tables.grips.slice(1);
      const bundled = (index) =>
        this.damage === 'bundle' && index === 7 ? spoilt : localBundle(structuredClone(this.bundle));
      this.fleet = new Fleet({ size: USERS, baseUrl: this.publicUrl, bundled });
      this.fleet.allow({ off: [this.bundled.digest], on: [] });
      await this.openBrowser();
      await this.turn(0);
    },
  ],
  3: [
    async function () {
      await this.turn(10);
    },
  ],
  4: [
    async function (said) {
      const page = readFileSync(PAGE, 'utf8');
      const metrics = await (await fetch(`${this.metricsUrl}/metrics`)).text();
      for (const [name] of page.matchAll(/tablecast_\w+/g)) {
        if (!metrics.includes(`# TYPE ${name} `)) throw new Error(`there is no metric ${name}`);
      }
      const value = (name) => Number(new RegExp(`^tablecast_${name} (\\d+)$`, 'm').exec(said)?.[1]);
      const [loaded, refused, behind] = ['snapshot_loaded', 'snapshot_refused', 'snapshot_behind'].map(value);
      if (loaded !== 1 || refused !== 0 || behind !== 0)
        throw new Error(`the metrics are not good:\n${said}`);
      if (!/^tablecast_http_requests_total\{kind="version",status="200"\} \d+$/m.test(said)) {
        throw new Error(`no request for the version is counted:\n${said}`);
      }
      if (
        /^tablecast_http_requests_total\{.*status="(404|500|503)"\} [1-9]/m.test(
          said.replace(/.*kind="other".*/g, ''),
        )
      ) {
        throw new Error(`requests failed:\n${said}`);
      }
      this.say('metrics, /ready and verify: good');
    },
  ],
  5: [
    async function () {
      await this.turn(50);
    },
    async function () {
      await this.turn(100);
    },
  ],
  6: [
    async function (said) {
      if (!said.includes('grips.json')) throw new Error(`the refusal does not name grips.json:\n${said}`);
      const { name } = this.current;
      if (this.published('Overhand, Supinated').name !== name) throw new Error('something was published');
      await this.seenByAll(this.current);
    },
  ],
  7: [
    async function () {
      const good = this.current;
      const bad = publishedState(join(this.folder, 'snapshots'));
      this.fleet.allow({ off: [], on: [good.digest, bad.digest] });
      this.published('Ovrehand, Supinated');
      await this.seenByAll(this.current);
      this.bad = bad;
    },
    async function () {
      this.fleet.allow({ off: [], on: [this.bad.digest, this.bundled.digest] });
      this.published('Overhand, Supinated');
      await this.seenByAll(this.current);
    },
    function (said) {
      if (!said.includes('resume')) throw new Error(`the refusal does not name resume:\n${said}`);
      this.published('Overhand, Supinated');
    },
    async function () {
      this.published('Overhand, Supinated');
      await this.seenByAll(this.current);
    },
  ],
  8: [
    async function () {
      await this.turn(0);
    },
  ],
  9: [
    async function () {
      this.published('Overhand, Underhand');
      // With the flag off nobody sees it.
      await this.silence();
    },
    async function () {
      // What they had cached before the flag went off, or what the app ships: equal here.
      const old = [this.bundled.digest];
      this.fleet.turn(100, { off: [], on: old });
      await this.wait();
      await this.browser?.turn(true);
      await this.fleet.restart();
      await this.browser?.restart();
      await this.browser?.sees('Overhand', 'Supinated');
      this.say('no server, and every app was closed and opened again: all show what they had');
      this.fleet.allow({ off: [], on: [...old, this.current.digest] });
    },
    async function () {
      await this.seenByAll(this.current);
    },
  ],
  10: [
    async function (said) {
      this.fleet.allow({
        off: [],
        on: [this.current.digest, publishedState(join(this.folder, 'snapshots')).digest],
      });
      const plan = /^plan for .*$/m.exec(said)?.[0];
      if (!/^plan for \S+: \d+ rows changed in \d+ tables$/.test(plan)) {
        throw new Error(`the plan does not change rows alone: ${plan}`);
      }
      const state = this.published('Overhand, Underhand');
      const text = readFileSync(join(this.folder, 'json-source/grips.json'), 'utf8');
      if (text.includes('"PRONATED"')) throw new Error('the old key is in the files');
      await this.seenByAll(state);
    },
  ],
  'After the trial': [
    function () {
      if (existsSync(this.folder) && this.folder !== '/') throw new Error('the copy is still there');
    },
  ],
};
