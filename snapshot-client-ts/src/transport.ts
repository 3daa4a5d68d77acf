import { fail } from './errors.js';
import type { FetchResponse } from './story.js';

/** Gets one URL. Rejects with anything where there is no response; stops when the signal says so. */
export type Transport = (url: string, limitBytes: number, signal: AbortSignal) => Promise<FetchResponse>;

/**
 * The platform's `fetch`, as it comes: no header of ours, which would cost browsers a preflight, and no cache
 * mode, for which React Native adds a query to the URL.
 */
export function fetchTransport(
  fetch: typeof globalThis.fetch = (...request) => globalThis.fetch(...request),
): Transport {
  return async (url, limitBytes, signal) => {
    const response = await fetch(url, { signal });
    const { status, headers } = response;
    const body = status === 200 ? await readBody(response, limitBytes) : '';
    if (status !== 200) void response.body?.cancel?.();
    return { status, body, retryAfter: headers.get('retry-after'), date: headers.get('date') };
  };
}

async function readBody(response: Response, limitBytes: number): Promise<Uint8Array | string> {
  const announced = Number(response.headers.get('content-length'));
  if (announced > limitBytes && !response.headers.get('content-encoding')) {
    void response.body?.cancel?.();
    fail('too_large', `${response.url}: ${announced} bytes are announced`);
  }
  const reader = response.body?.getReader?.();
  // React Native has no streams; there the text is the one form that does not go through base64.
  if (!reader || typeof TextDecoder !== 'function') return response.text();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > limitBytes) {
      void reader.cancel();
      break;
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
