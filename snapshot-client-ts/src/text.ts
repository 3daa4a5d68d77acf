// UTF-8 both ways.

/** The text's bytes. */
export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The bytes' text; a byte order mark stays, so that nothing is lost that the hash has seen. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
