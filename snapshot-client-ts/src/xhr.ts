import type { Transport } from './transport.js';

/**
 * `XMLHttpRequest`, for React Native, whose `fetch` hands over a body as a whole or not at all: what is larger than
 * allowed, or has no end, is left as soon as that shows.
 */
export function xhrTransport(): Transport {
  return (url, limitBytes, signal) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const answer = (body: Uint8Array | string): void => {
        const { status } = request;
        const header = (name: string): string | null => request.getResponseHeader(name);
        resolve({ status, body, retryAfter: header('retry-after'), date: header('date') });
      };
      const lost = (): void => reject(new Error('no response, or one cut off'));
      request.onload = () => answer(request.responseText);
      request.onprogress = ({ loaded }) => {
        if (loaded <= limitBytes) return;
        // So much is already too much, whatever it says.
        answer(new Uint8Array(limitBytes + 1));
        request.abort();
      };
      request.onerror = lost;
      request.onabort = lost;
      request.open('GET', url);
      signal.addEventListener('abort', () => request.abort());
      request.send();
    });
}
