// Requests of what is in a store, each within its time, each answer verified.

import { blake3 } from './blake3.js';
import { type Clock, within } from './clock.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import { decode, encode } from './text.js';
import type { FetchResponse, Transport } from './transport.js';

/** What is asked for. */
export interface Wanted {
  /** Relative to the base URL. */
  readonly path: string;
  /** More bytes than this are not read. */
  readonly size: number;
  /** What the bytes hash to, and then they are exactly `size`; without it, whatever comes. */
  readonly hash?: string;
}

/** Fetches, and gives up on all of it. */
export interface Requests {
  /** The text of this; with `again` past the caches. Throws what stands in the way. */
  get(wanted: Wanted, again?: boolean): Promise<string>;
  /** Ends the requests that are under way. */
  abort(): void;
}

// A slow phone network; a request may take as long as its bytes need there.
const BYTES_PER_MS = 4.096;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Requests by this transport. */
export function createRequests(
  baseUrl: string,
  transport: Transport,
  clock: Clock,
  requestTimeoutMs: number,
): [Requests['get'], Requests['abort']] {
  const underWay = new Set<AbortController>();

  async function ask(url: string, size: number): Promise<FetchResponse> {
    const controller = new AbortController();
    underWay.add(controller);
    const late = (): Error => new ReferenceDataError('timeout', url);
    try {
      const response = transport(url, size, controller.signal);
      return await within(clock, requestTimeoutMs + size / BYTES_PER_MS, response, late);
    } catch (thrown) {
      throw asError(thrown, 'network', url);
    } finally {
      // Also what is late, what is too large, and the body of an error page, which nobody reads.
      controller.abort();
      underWay.delete(controller);
    }
  }

  async function get(wanted: Wanted, again?: boolean): Promise<string> {
    const { path, size, hash } = wanted;
    const url = baseUrl + path + (again ? `?again=${clock.random()}` : '');
    const response = await ask(url, size);
    const { status, body } = response;
    if (status !== 200) {
      const gone = hash && (status === 404 || status === 410);
      fail(gone ? 'object_missing' : 'http_status', `${status}, ${url}`, {
        status,
        retryAfterMs: status === 429 || status === 503 ? retryAfterMs(response) : undefined,
      });
    }
    const bytes = typeof body === 'string' ? encode(body) : body;
    const more = bytes.length - size;
    if (more > 0 || (hash && (more || blake3(bytes) !== hash))) {
      // A damaged copy may lie in some cache for ever.
      if (hash && !again) return get(wanted, true);
      fail(more > 0 ? 'too_large' : 'hash_mismatch', url);
    }
    return typeof body === 'string' ? body : decode(bytes);
  }

  return [
    get,
    () => {
      for (const controller of underWay) controller.abort();
    },
  ];
}

// A date is compared with the server's own: ours may be a day off.
function retryAfterMs(response: FetchResponse): number | undefined {
  const text = `${response.retryAfter}`;
  const wait = /^\s*\d+\s*$/.test(text)
    ? +text * 1000
    : Date.parse(text) - (Date.parse(`${response.date}`) || Date.now());
  // Nothing where it is neither.
  return Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS) || undefined;
}
