// The provider: performs the stories, keeps the time, shows what came of it. One for all: what makes it local
// is a flag that is off, and then it shows what is bundled and does nothing else.

import { isOn, type LocalConfig, type ReferenceConfig, type RemoteConfig, settle } from './config.js';
import { createEffects } from './effects.js';
import { createEmitter } from './emitter.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import { compareOrder, majorOf, type Version } from './format.js';
import { type Generation, newCache, objectsOf, raiseMark } from './held.js';
import type {
  ReadOptions,
  ReadyState,
  ReferenceDataProvider,
  RefreshResult,
  State,
  Status,
} from './provider.js';
import { refresh } from './refresh.js';
import { nextDelayMs } from './schedule.js';
import {
  type AnyTables,
  type Bundled,
  bundledObject,
  bundledSnapshot,
  changedTables,
  fetchedSnapshot,
  type Snapshot,
} from './snapshot.js';
import { storageError } from './storage-api.js';
import { isPromise, type MaybePromise, perform, then } from './story.js';
import { createWaiting } from './waiting.js';

const RESUME_MS = 1000;

/** A provider of what the app ships. No timer, no request, no storage. */
export function createLocalProvider<T = AnyTables>({ bundled }: LocalConfig): ReferenceDataProvider<T> {
  return createProvider<T>({ baseUrl: '', bundled }, false);
}

/** A provider that polls a store, keeps what it has verified, and works without network. */
export function createRemoteProvider<T = AnyTables>(config: RemoteConfig): ReferenceDataProvider<T> {
  return createProvider<T>(config, true);
}

/** A provider that is local or remote as the flag says, also while it runs. */
export function createReferenceProvider<T = AnyTables>(config: ReferenceConfig): ReferenceDataProvider<T> {
  return createProvider<T>(config, config.enabled);
}

function createProvider<T>(config: RemoteConfig, flag: ReferenceConfig['enabled']): ReferenceDataProvider<T> {
  const settings = settle(config);
  const { baseUrl, prefix, clock, storage, pollIntervalMs, staleTimeMs, initTimeoutMs } = settings;
  const { schemaMajors, requiredTables } = settings;
  const effects = createEffects(settings);
  const waiting = createWaiting(clock);
  const cache = newCache();
  const events = createEmitter();
  const { emit } = events;

  let bundled: Snapshot<T> | undefined;
  let shown: Snapshot<T> | undefined;
  // What was fetched or cached, also while the flag hides it.
  let fetched: Snapshot<T> | undefined;
  let confirmedAt: number | undefined;
  let on = isOn(flag);
  let loading = true;
  let begun = false;
  let started = true;
  let disposed = false;
  let active = true;
  let online = true;
  let failures = 0;
  let lastError: ReferenceDataError | undefined;
  let updateRequired: string | undefined;
  // Rises with each stop and each flip: what began before it has nothing to say any more.
  let life = 0;
  let cycle: Promise<RefreshResult> | undefined;
  let cycles = 0;
  let tail: Promise<unknown>;
  let dueAt = clock.now();
  let timer: unknown;
  let status: Status | undefined;

  // --- what is shown ---

  const isRunning = (): boolean => on && started && !disposed;
  const isFresh = (): boolean => {
    if (!on) return shown !== undefined;
    const age = confirmedAt === undefined ? -1 : clock.now() - confirmedAt;
    return age >= 0 && age <= staleTimeMs;
  };
  const readyState = (): ReadyState => {
    if (!shown) return 'no-data';
    if (on && isFresh()) return 'up-to-date';
    return shown.source === 'bundled' ? 'bundled' : 'cached';
  };

  function show(next: Snapshot<T>): void {
    const from = shown;
    if (next === from) return;
    shown = next;
    emit('change', {
      from: from?.version,
      to: next.version,
      source: next.source,
      // Found out when somebody asks: it may parse every table.
      get changedTables() {
        return changedTables(from, next);
      },
    });
    if (!from && begun) emit('ready', readyState());
  }

  function showGeneration(generation: Generation, source: 'cache' | 'network'): void {
    const objects = new Set(objectsOf(generation));
    for (const hash of cache.held.keys()) if (!objects.has(hash)) cache.held.delete(hash);
    raiseMark(cache, generation.version);
    fetched = fetchedSnapshot<T>(generation, source, new Map(cache.held));
    show(fetched);
  }

  // --- the cache ---

  const knows = (version: Version): boolean => schemaMajors.includes(majorOf(version));
  const report = (error: ReferenceDataError): void => emit('error', error);
  let storageFailed = false;
  // Once, until it works again: a full disk is no news at every poll.
  const reportStorage = (thrown: unknown): void => {
    if (!storageFailed) report(storageError(thrown, prefix));
    storageFailed = true;
  };

  /** Shows what the cache has, where that is newer than what is shown. */
  function lookIntoCache(): MaybePromise<void> {
    if (!storage) return;
    const began = life;
    const found = (generation: Generation | undefined): void => {
      if (!generation) return;
      if (began === life) showGeneration(generation, 'cache');
      // Dropped, so the next look must find it again.
      else cache.head = undefined;
    };
    try {
      const looked = then(
        perform(storage.load(cache, { knows, shown: shown?.version, report }), effects.perform),
        found,
      );
      return isPromise(looked) ? looked.then(undefined, reportStorage) : looked;
    } catch (thrown) {
      reportStorage(thrown);
    }
  }

  async function store(generation: Generation): Promise<void> {
    if (!storage) return;
    const work = async (): Promise<void> => perform(storage.commit(cache, generation), effects.perform);
    try {
      await (storage.lock ? storage.lock(`${prefix}head`, work) : work());
      storageFailed = false;
    } catch (thrown) {
      reportStorage(thrown);
    }
  }

  // --- refreshing ---

  function refreshNow(): Promise<RefreshResult> {
    if (!cycle) {
      const began = life;
      cycle = exclusive(() => runCycle(began)).then((result) => {
        cycles++;
        if (began === life) {
          cycle = undefined;
          schedule();
        }
        waiting.wake();
        return result;
      });
      schedule();
    }
    return cycle;
  }

  /** One after the other, for all of them work on one cache. */
  function exclusive<R>(work: () => MaybePromise<R>): Promise<R> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  async function runCycle(began: number): Promise<RefreshResult> {
    const before = shown;
    const isOver = (): boolean => began !== life || !isRunning();
    if (!follow() || isOver() || !online) return resultOf('skipped', before);
    await lookIntoCache();
    try {
      const bundledText = (schemaVersion: string, key: string): string | undefined =>
        bundled?.has(key) ? bundledObject(bundled, schemaVersion, key) : undefined;
      const rules = { shown: shown?.version, schemaMajors, requiredTables, bundledObject: bundledText };
      const next = await perform(refresh(cache, rules), effects.perform);
      // Stored first: after a restart an app must not see less than before.
      if (next && !isOver()) await store(next);
      if (isOver()) return resultOf('skipped', before);
      succeeded();
      if (next) showGeneration(next, 'network');
      return resultOf(shown === before ? 'not-modified' : 'updated', before);
    } catch (thrown) {
      if (isOver()) return resultOf('skipped', before);
      const error = asError(thrown, 'network', baseUrl);
      failed(error);
      return resultOf('failed', before, error);
    }
  }

  function resultOf(
    outcome: RefreshResult['status'],
    before: Snapshot<T> | undefined,
    error?: ReferenceDataError,
  ): RefreshResult {
    const now = shown;
    return {
      status: outcome,
      version: now?.version,
      get changedTables() {
        return now ? changedTables(before, now) : [];
      },
      ...(error && { error }),
    };
  }

  function succeeded(): void {
    const recovered = failures > 0;
    confirmedAt = clock.now();
    failures = 0;
    lastError = updateRequired = undefined;
    plan();
    if (recovered) emit('recovered', undefined);
  }

  function failed(error: ReferenceDataError): void {
    failures++;
    lastError = error;
    plan(error);
    report(error);
    if (error.offered !== undefined && error.offered !== updateRequired) {
      updateRequired = error.offered;
      emit('updateRequired', error.offered);
    }
  }

  // --- time ---

  function plan(error?: ReferenceDataError): void {
    dueAt = clock.now() + nextDelayMs(error, { pollIntervalMs, failures, random: clock.random() });
  }

  /** One timer at most, for what is due next; and the status that goes with it. */
  function schedule(atLeastMs = 0): void {
    clock.clearTimer(timer);
    timer = undefined;
    if (isRunning() && config.polling !== 'manual' && active && online && !loading && !cycle) {
      timer = clock.setTimer(() => void refreshNow(), Math.max(dueAt - clock.now(), atLeastMs), true);
    }
    const before = status;
    if (currentStatus() !== before) emit('status', currentStatus());
  }

  function state(): State {
    if (!started || disposed) return 'stopped';
    if (loading) return 'loading';
    if (!on) return 'idle';
    if (cycle) return 'refreshing';
    if (!active) return 'paused';
    if (!online) return 'offline';
    return failures > 0 ? 'backoff' : 'idle';
  }

  /** The same object until something in it changes; freshness ends by itself, without an event. */
  function currentStatus(): Status {
    const next: Status = {
      state: state(),
      ready: readyState(),
      failures,
      lastError,
      nextRefreshAt: timer === undefined ? undefined : dueAt,
      updateRequired,
    };
    const same = (field: string): boolean => status?.[field as keyof Status] === next[field as keyof Status];
    if (!status || !Object.keys(next).every(same)) status = Object.freeze(next);
    return status;
  }

  // --- waiting ---

  async function getBootstrap({
    allowStaleCache,
    timeoutMs = initTimeoutMs,
  }: ReadOptions = {}): Promise<Snapshot<T>> {
    if (disposed) fail('disposed', 'this provider was disposed');
    follow();
    await waiting.until(() => !loading, timeoutMs);
    if (shown && isFresh()) return shown;
    const before = cycles;
    // A planned retry is what a read waits for: readers must not hammer a server that is down.
    if (isRunning() && (failures === 0 || timer === undefined)) void refreshNow();
    if (allowStaleCache && shown) return shown;
    await waiting.until(() => isFresh() || cycles > before || !isRunning(), timeoutMs);
    if (shown && (allowStaleCache || isFresh())) return shown;
    const why = lastError?.message ?? 'no answer yet';
    return shown
      ? fail('stale', `the server has not confirmed the cached version: ${why}`, { cause: lastError })
      : fail('no_data', `nothing is bundled, cached or fetched: ${why}`, { cause: lastError });
  }

  async function waitForReady({
    timeoutMs = initTimeoutMs,
  }: {
    timeoutMs?: number;
  } = {}): Promise<ReadyState> {
    follow();
    await waiting.until(
      () => !loading && (isFresh() || cycles > 0 || (timer === undefined && !cycle)),
      timeoutMs,
    );
    return readyState();
  }

  async function refreshFor({ signal }: { signal?: AbortSignal } = {}): Promise<RefreshResult> {
    follow();
    if (!isRunning()) return resultOf('skipped', shown);
    const before = shown;
    const aborted = new Promise<RefreshResult>((resolve) => {
      const end = (): void =>
        resolve(resultOf('failed', before, new ReferenceDataError('aborted', 'the caller gave up')));
      if (signal?.aborted) end();
      signal?.addEventListener('abort', end, { once: true });
    });
    return Promise.race([aborted, signal?.aborted ? aborted : refreshNow()]);
  }

  // --- the flag, the beginning and the end ---

  /** Does what the flag says now; whether it is on. */
  function follow(): boolean {
    const wanted = isOn(flag);
    if (wanted !== on && !disposed) {
      on = wanted;
      cut();
      if (!loading) {
        const next = on ? newer(fetched, bundled) : bundled;
        if (next) show(next);
        if (on) open();
      }
      schedule();
      waiting.wake();
    }
    return on;
  }

  /** Shows what is bundled, then what the cache has; at once where nothing is asynchronous. */
  function begin(): MaybePromise<void> {
    const missing = (thrown: unknown): MaybePromise<void> => {
      report(asError(thrown, 'no_data', 'the bundled snapshot'));
      return open();
    };
    const showBundled = (given: Bundled | undefined): void => {
      if (!given || !knows(given.version)) return;
      bundled = bundledSnapshot<T>(given);
      raiseMark(cache, bundled.version);
      show(bundled);
    };
    try {
      const shipped = then(
        typeof config.bundled === 'function' ? config.bundled() : config.bundled,
        showBundled,
      );
      return isPromise(shipped) ? shipped.then(open, missing) : open();
    } catch (thrown) {
      return missing(thrown);
    }
  }

  function open(): MaybePromise<void> {
    loading = true;
    return then(on ? lookIntoCache() : undefined, () => {
      loading = false;
      dueAt = Math.min(dueAt, clock.now());
      if (!begun) emit('ready', readyState());
      begun = true;
      schedule();
      waiting.wake();
    });
  }

  /** What is under way will have nothing to say. */
  function cut(): void {
    life++;
    cycle = undefined;
    effects.abort();
  }

  function stop(): void {
    started = false;
    cut();
    schedule();
    waiting.wake();
  }

  const provider: ReferenceDataProvider<T> = {
    get kind() {
      return on ? 'remote' : 'local';
    },
    getVersion: async (options) => (await getBootstrap(options)).version,
    getBootstrap,
    getTable: async (key, options) => (await getBootstrap(options)).table(key),
    getSnapshot: () => shown,
    subscribe: (changed) => events.on('change', changed),
    getStatus: currentStatus,
    on: events.on,
    waitForReady,
    refresh: refreshFor,
    start: () => {
      if (started || disposed) return;
      started = true;
      dueAt = Math.min(dueAt, clock.now());
      schedule();
    },
    stop,
    setActive: (is) => {
      if (is === active) return;
      active = is;
      schedule(RESUME_MS);
      waiting.wake();
    },
    setOnline: (is) => {
      if (is === online) return;
      online = is;
      // What failed for want of a network need not wait for its turn.
      if (failures > 0) dueAt = clock.now();
      schedule(RESUME_MS);
      waiting.wake();
    },
    dispose: () => {
      for (const end of ends) end?.();
      disposed = true;
      stop();
    },
  };
  tail = Promise.resolve(begin());
  const ends = [
    typeof flag === 'object' ? flag.subscribe(() => void follow()) : undefined,
    storage?.watch?.(`${prefix}head`, () => {
      if (isRunning()) void exclusive(lookIntoCache);
    }),
    config.lifecycle?.(provider),
  ];
  return provider;
}

function newer<S extends { version: Version }>(a: S | undefined, b: S | undefined): S | undefined {
  return a && (!b || compareOrder(a.version, b.version) > 0) ? a : b;
}
