// UTF-8 both ways, also where the engine has no TextEncoder (Hermes before React Native 0.74).

/** The text's bytes. */
export function encode(text: string): Uint8Array {
  return typeof TextEncoder === 'function' ? new TextEncoder().encode(text) : encodePlain(text);
}

/** The same without the engine's help; throws for a lone surrogate, which no object holds. */
export function encodePlain(text: string): Uint8Array {
  // The older of the two functions is deprecated and everywhere, and together they are UTF-8.
  const binary = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** The bytes' text; a byte order mark stays, so that nothing is lost that the hash has seen. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
