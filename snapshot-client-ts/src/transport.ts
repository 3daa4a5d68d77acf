/** A response; a body beyond the limit may be cut off behind it. */
export interface FetchResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The body as bytes, or as text where the platform gives no bytes. */
  readonly body: Uint8Array | string;
  /** The header `Retry-After`. */
  readonly retryAfter?: string | null;
  /** The header `Date`. */
  readonly date?: string | null;
}

/**
 * Gets one URL. Rejects with anything where there is no response. The signal says when nobody waits any more for
 * what is still on its way; it comes after every request.
 */
export type Transport = (url: string, limitBytes: number, signal: AbortSignal) => Promise<FetchResponse>;

/**
 * The platform's `fetch`, as it comes: no header of ours, which would cost browsers a preflight, and no cache
 * mode, for which React Native adds a query to the URL.
 */
export function fetchTransport(fetch?: typeof globalThis.fetch): Transport {
  return async (url, limitBytes, signal) => {
    const response = await (fetch ?? globalThis.fetch)(url, { signal });
    const { status, headers } = response;
    const body = status === 200 ? await readBody(response, limitBytes) : '';
    return { status, body, retryAfter: headers.get('retry-after'), date: headers.get('date') };
  };
}

async function readBody(response: Response, limitBytes: number): Promise<Uint8Array | string> {
  const reader = response.body?.getReader?.();
  // React Native has no streams; there the text is the one form that does not go through base64.
  if (!reader || typeof TextDecoder !== 'function') return response.text();
  const bytes = new Uint8Array(limitBytes + 1);
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, size);
    // One byte more than is allowed tells that there are too many.
    if (size + value.length > limitBytes) return bytes;
    bytes.set(value, size);
    size += value.length;
  }
}
