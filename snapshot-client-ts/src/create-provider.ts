// What a provider is within: asks for refreshes, keeps the time, shows what came of it. One for all: what makes it
// local is a flag that is off, and then it shows what is bundled and does nothing else.

import { SYSTEM_CLOCK } from './clock.js';
import { isOn, type ReferenceConfig, type RemoteConfig } from './config.js';
import { createEmitter } from './emitter.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import { majorOf, newer, type Version } from './format.js';
import { type Generation, type Held, objectsOf, raiseMark } from './held.js';
import { attempt, type MaybePromise } from './maybe-promise.js';
import type {
  ReadOptions,
  ReadyState,
  ReferenceDataProvider,
  RefreshOptions,
  RefreshResult,
  State,
  Status,
} from './provider.js';
import { refresh } from './refresh.js';
import { createRequests } from './requests.js';
import { checkInterval, nextDelayMs } from './schedule.js';
import { type Bundled, bundledSnapshot, changedTables, fetchedSnapshot, type Snapshot } from './snapshot.js';
import { fetchTransport } from './transport.js';
import { createWaiting } from './waiting.js';

const RESUME_MS = 1000;

/** Local is a flag that is off. */
export function createProvider<T>(
  config: RemoteConfig,
  flag: ReferenceConfig['enabled'],
): ReferenceDataProvider<T> {
  const {
    clock = SYSTEM_CLOCK,
    transport = fetchTransport(),
    pollIntervalMs = 300_000,
    staleTimeMs = pollIntervalMs,
    requestTimeoutMs = 10_000,
    initTimeoutMs = 5_000,
    schemaMajors = [1],
    requiredTables = [],
  } = config;
  checkInterval(pollIntervalMs);
  const baseUrl = config.baseUrl.replace(/\/*$/, '/');
  const requests = createRequests(baseUrl, transport, clock, requestTimeoutMs);
  const waiting = createWaiting(clock);
  const { emit, on: listen } = createEmitter();
  const held: Held = { texts: new Map(), mark: undefined };
  const knows = (version: Version): boolean => schemaMajors.includes(majorOf(version));
  const report = (error: ReferenceDataError): void => emit('error', error);
  const cache = config.storage?.open({ config, clock, held, knows, report });

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

  const isRunning = (): boolean => on && started;
  const isFresh = (): boolean => {
    const age = clock.now() - (confirmedAt ?? Number.NaN);
    return on ? age >= 0 && age <= staleTimeMs : shown !== undefined;
  };
  const readyState = (): ReadyState => {
    if (!shown) return 'no-data';
    if (on && isFresh()) return 'up-to-date';
    return shown.source === 'bundled' ? 'bundled' : 'cached';
  };

  function show(next: Snapshot<T> | undefined): void {
    const from = shown;
    if (!next || next === from) return;
    shown = next;
    raiseMark(held, next.version);
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
    const { texts } = held;
    held.texts = new Map(objectsOf(generation).map((hash) => [hash, texts.get(hash) as string]));
    fetched = fetchedSnapshot<T>(generation, source, held.texts);
    show(fetched);
  }

  /** Shows what the cache has, where that is newer than what is shown. */
  function lookIntoCache(): MaybePromise<void> {
    const began = life;
    return cache?.load(shown?.version, (generation) => {
      const isWanted = began === life;
      if (isWanted) showGeneration(generation, 'cache');
      return isWanted;
    });
  }

  // --- refreshing ---

  function refreshNow(fresh?: boolean): Promise<RefreshResult> {
    if (!cycle) {
      const began = life;
      cycle = exclusive(() => runCycle(began, fresh)).then((result) => {
        cycles++;
        if (began === life) cycle = undefined;
        schedule();
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

  async function runCycle(began: number, fresh: boolean | undefined): Promise<RefreshResult> {
    const before = shown;
    const isOver = (): boolean => began !== life || !isRunning();
    follow();
    try {
      if (!isOver() && online) {
        await lookIntoCache();
        const next = await refresh(requests.get, held, {
          shown: shown?.version,
          fresh,
          knows,
          requiredTables,
          bundled: bundled as Snapshot | undefined,
        });
        // Stored first: after a restart an app must not see less than before.
        if (next && !isOver()) await cache?.commit(next);
        if (!isOver()) {
          conclude();
          if (next) showGeneration(next, 'network');
          return resultOf(shown === before ? 'not-modified' : 'updated', before);
        }
      }
    } catch (thrown) {
      if (!isOver()) {
        const error = asError(thrown, 'network', baseUrl);
        conclude(error);
        return resultOf('failed', before, error);
      }
    }
    return resultOf('skipped', before);
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
        return changedTables(before, now);
      },
      ...(error && { error }),
    };
  }

  /** A refresh has come to its end, by this error or well. */
  function conclude(error?: ReferenceDataError): void {
    const recovered = failures > 0;
    failures = error ? failures + 1 : 0;
    lastError = error;
    dueAt = clock.now() + nextDelayMs(error, failures, pollIntervalMs, clock.random());
    if (error) {
      report(error);
      const { offered } = error;
      if (offered && offered !== updateRequired) {
        updateRequired = offered;
        emit('updateRequired', offered);
      }
    } else {
      confirmedAt = clock.now();
      updateRequired = undefined;
      if (recovered) emit('recovered', undefined);
    }
  }

  // --- time ---

  /** One timer at most, for what is due next; the status that goes with it; and who waits for that. */
  function schedule(atLeastMs = 0): void {
    clock.clearTimer(timer);
    timer = undefined;
    if (isRunning() && config.polling !== 'manual' && active && online && !loading && !cycle) {
      timer = clock.setTimer(() => void refreshNow(), Math.max(dueAt - clock.now(), atLeastMs), true);
    }
    const before = status;
    const now = currentStatus();
    if (now !== before) emit('status', now);
    waiting.wake();
  }

  function state(): State {
    if (!started) return 'stopped';
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
      nextRefreshAt: timer ? dueAt : undefined,
      updateRequired,
    };
    const isOther = (field: string): boolean =>
      next[field as keyof Status] !== status?.[field as keyof Status];
    if (Object.keys(next).some(isOther)) status = next;
    return status as Status;
  }

  // --- reading and waiting ---

  async function getBootstrap({
    allowStaleCache,
    timeoutMs = initTimeoutMs,
  }: ReadOptions = {}): Promise<Snapshot<T>> {
    if (disposed) fail('disposed', baseUrl);
    follow();
    await waiting.until(() => !loading, timeoutMs);
    if (!shown || !isFresh()) {
      const before = cycles;
      // A planned retry is what a read waits for: readers must not hammer a server that is down.
      if (isRunning() && (failures === 0 || !timer)) void refreshNow();
      if (!allowStaleCache || !shown)
        await waiting.until(() => isFresh() || cycles > before || !isRunning(), timeoutMs);
    }
    if (shown && (allowStaleCache || isFresh())) return shown;
    return fail(shown ? 'stale' : 'no_data', lastError?.message ?? baseUrl, { cause: lastError });
  }

  async function waitForReady({ timeoutMs = initTimeoutMs }: ReadOptions = {}): Promise<ReadyState> {
    follow();
    const isReady = (): boolean => isFresh() || cycles > 0 || !(timer || cycle);
    await waiting.until(() => !loading && isReady(), timeoutMs);
    return readyState();
  }

  async function refreshFor({ signal, fresh }: RefreshOptions = {}): Promise<RefreshResult> {
    follow();
    const before = shown;
    if (!isRunning()) return resultOf('skipped', before);
    return new Promise((resolve) => {
      const giveUp = (): void =>
        resolve(resultOf('failed', before, new ReferenceDataError('aborted', baseUrl)));
      if (signal?.aborted) return giveUp();
      signal?.addEventListener('abort', giveUp);
      void refreshNow(fresh).then(resolve);
    });
  }

  // --- the flag, the beginning and the end ---

  /** Does what the flag says now. */
  function follow(): void {
    const wanted = isOn(flag);
    if (wanted === on || disposed) return;
    on = wanted;
    // Whoever follows the status hears of it, whatever else stays the same.
    status = undefined;
    cut();
    if (!loading) {
      show(on && newer(fetched?.version, bundled?.version) === fetched?.version ? fetched : bundled);
      if (on) open();
    }
    schedule();
  }

  /** Shows what is bundled, then what the cache has; at once where nothing is asynchronous. */
  function begin(): MaybePromise<void> {
    const shipped = (given: Bundled | undefined): MaybePromise<void> => {
      if (given && knows(given.version)) {
        bundled = bundledSnapshot<T>(given);
        show(bundled);
      }
      return open();
    };
    const missing = (thrown: unknown): MaybePromise<void> => {
      report(asError(thrown, 'no_data', 'bundled'));
      return open();
    };
    const given = (): MaybePromise<Bundled | undefined> =>
      typeof config.bundled === 'function' ? config.bundled() : config.bundled;
    return attempt(given, shipped, missing);
  }

  function open(): MaybePromise<void> {
    loading = true;
    const opened = (): void => {
      loading = false;
      dueAt = clock.now();
      if (!begun) emit('ready', readyState());
      begun = true;
      schedule();
    };
    return attempt(() => (on ? lookIntoCache() : undefined), opened, opened);
  }

  /** What is under way will have nothing to say. */
  function cut(): void {
    life++;
    cycle = undefined;
    requests.abort();
  }

  function stop(): void {
    started = false;
    cut();
    schedule();
  }

  const provider: ReferenceDataProvider<T> = {
    get kind() {
      return on ? 'remote' : 'local';
    },
    getVersion: async (options) => (await getBootstrap(options)).version,
    getBootstrap,
    getTable: async (key, options) => (await getBootstrap(options)).table(key),
    getSnapshot: () => shown,
    subscribe: (changed) => listen('change', changed),
    getStatus: currentStatus,
    on: listen,
    waitForReady,
    refresh: refreshFor,
    start: () => {
      if (started || disposed) return;
      started = true;
      dueAt = clock.now();
      schedule();
    },
    stop,
    setActive: (is) => {
      if (is === active) return;
      active = is;
      schedule(RESUME_MS);
    },
    setOnline: (is) => {
      if (is === online) return;
      online = is;
      // What failed for want of a network need not wait for its turn.
      if (failures > 0) dueAt = clock.now();
      schedule(RESUME_MS);
    },
    dispose: () => {
      for (const end of ends) end?.();
      disposed = true;
      stop();
    },
  };
  tail = Promise.resolve(begin());
  const ends = [
    typeof flag === 'object' ? flag.subscribe(follow) : undefined,
    cache?.watch(() => {
      if (isRunning()) void exclusive(lookIntoCache);
    }),
    config.lifecycle?.(provider),
  ];
  return provider;
}
