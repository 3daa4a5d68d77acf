// `TextEncoder` for engines that have none: Hermes before React Native 0.74. Import it before anything else of
// this package; where there is one, nothing happens.

/** The text's bytes in UTF-8; throws for a lone surrogate, which no object has. */
export function encodePlain(text: string): Uint8Array {
  // The older of the two functions is deprecated and everywhere, and together they are UTF-8.
  const binary = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** As much of a `TextEncoder` as this package asks of it. */
class PlainTextEncoder {
  encode(text = ''): Uint8Array {
    return encodePlain(text);
  }
}

globalThis.TextEncoder ??= PlainTextEncoder as unknown as typeof TextEncoder;
