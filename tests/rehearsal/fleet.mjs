// Users of an app: each with a flag, a cache of its own, and eyes that never close.

import { createReferenceProvider, fetchTransport } from '../../snapshot-client-ts/dist/index.js';
import { memoryStorage } from '../../snapshot-client-ts/dist/storage.js';
import { digestOf, labelOf } from './state.mjs';

const LOOK_MS = 25;
const POLL_MS = 300;

export class Fleet {
  #users;
  #timers = [];
  #states = new WeakMap();
  #share = 0;
  #starting = false;
  #waiting;
  /** What somebody saw that nobody may see. */
  wrong = [];
  /** How often anybody looked. */
  looks = 0;

  constructor({ size, baseUrl, bundled }) {
    this.baseUrl = baseUrl;
    this.#users = Array.from({ length: size }, (_, index) => ({
      index,
      bundled: typeof bundled === 'function' ? bundled(index) : bundled,
      cached: new Map(),
      flips: new Set(),
      requests: 0,
      allowed: new Set(),
    }));
    for (const user of this.#users) this.#start(user);
    this.#timers.push(setInterval(() => this.look(), LOOK_MS));
    this.#users.forEach((user, index) => {
      const poll = () => void user.provider.refresh();
      const began = setTimeout(() => this.#timers.push(setInterval(poll, POLL_MS)), (index * POLL_MS) / size);
      this.#timers.push(began);
    });
  }

  get size() {
    return this.#users.length;
  }

  #isOn({ index }) {
    return index < (this.#users.length * this.#share) / 100;
  }

  #start(user) {
    const counted = fetchTransport();
    user.provider = createReferenceProvider({
      baseUrl: this.baseUrl,
      bundled: user.bundled,
      storage: memoryStorage(user.cached),
      // The fleet polls more often than a provider may by itself.
      polling: 'manual',
      requestTimeoutMs: 20_000,
      enabled: {
        get: () => this.#isOn(user),
        subscribe: (flipped) => {
          user.flips.add(flipped);
          return () => user.flips.delete(flipped);
        },
      },
      transport: (...request) => {
        user.requests += 1;
        return counted(...request);
      },
    });
  }

  /** Turns the flag on for so many of a hundred. `allowed` says what each side may see from now on. */
  turn(share, allowed) {
    this.look();
    this.#share = share;
    this.allow(allowed);
    for (const user of this.#users) for (const flipped of user.flips) flipped();
  }

  /** What may be seen from now on, and since `wait`, with the flag off and with it on. */
  allow({ off, on }) {
    for (const user of this.#users) user.allowed = new Set(this.#isOn(user) ? on : off);
    this.judge();
  }

  /** A command runs that may publish: what is seen meanwhile is judged when it is known what it published. */
  wait() {
    this.#waiting ??= [];
  }

  /** Judges what was seen since `wait`. */
  judge() {
    const seen = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const { user, state } of seen) this.#judge(user, state);
  }

  #judge(user, state) {
    if (user.allowed.has(state?.digest)) return;
    if (this.#waiting !== undefined) {
      this.#waiting.push({ user, state });
      return;
    }
    const seen = state === undefined ? 'no data' : `"${state.label}"`;
    const flag = this.#isOn(user) ? 'on' : 'off';
    this.wrong.push(`user ${user.index} with the flag ${flag} saw ${seen}`);
  }

  /** What each user sees now; what nobody may see is noted. */
  look() {
    if (this.#starting) return [];
    return this.#users.map((user) => {
      const snapshot = user.provider.getSnapshot();
      const state = snapshot === undefined ? undefined : this.#stateOf(snapshot);
      this.looks += 1;
      this.#judge(user, state);
      const confirmed = user.provider.getStatus().ready === 'up-to-date';
      return { on: this.#isOn(user), confirmed, ...state };
    });
  }

  #stateOf(snapshot) {
    let state = this.#states.get(snapshot);
    if (state === undefined) {
      state = { digest: digestOf(snapshot.tables), label: labelOf(snapshot.tables) };
      this.#states.set(snapshot, state);
    }
    return state;
  }

  /** How many requests were made by those whose flag is off, and by the others. */
  requests() {
    const sum = (users) => users.reduce((total, { requests }) => total + requests, 0);
    const on = this.#users.filter((user) => this.#isOn(user));
    return { off: sum(this.#users) - sum(on), on: sum(on) };
  }

  /** Every app is closed and opened again, with what its device has cached. */
  async restart() {
    // Nobody looks while an app starts.
    this.#starting = true;
    for (const user of this.#users) {
      user.provider.dispose();
      this.#start(user);
    }
    await Promise.all(this.#users.map(({ provider }) => provider.waitForReady()));
    this.#starting = false;
  }

  dispose() {
    for (const timer of this.#timers) clearInterval(timer);
    for (const { provider } of this.#users) provider.dispose();
  }
}
