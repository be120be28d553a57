// Text from and to UTF-8, because the engine need not have TextEncoder and TextDecoder. Imports nothing, so that it
// can be tested outside a component.

// UTF-8 of a text.
export function encode(text) {
  const bytes = [];
  for (const character of text) {
    const point = character.codePointAt(0);
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else
      bytes.push(
        0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63),
      );
  }
  return Uint8Array.from(bytes);
}

// Characters that are made into text with one call; each is an argument, so a longer text would overflow the stack.
const CHUNK = 4096;

// Text of UTF-8; each byte that is not part of it becomes the lone surrogate U+DC00 + byte.
export function decode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const end = Math.min(bytes.length, start + CHUNK);
    while (at < end && bytes[at] < 0x80) at++;
    if (at > start) {
      text += String.fromCharCode.apply(null, bytes.subarray(start, at));
      continue;
    }
    const length = sequenceLength(bytes, at);
    text += length === 0 ? String.fromCharCode(0xdc00 + bytes[at]) : String.fromCodePoint(pointAt(bytes, at, length));
    at += length || 1;
  }
  return text;
}

// The length of the well-formed sequence at a place (RFC 3629); zero where there is none.
function sequenceLength(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  // A byte beyond the end is undefined, and no comparison with it holds.
  if (!(bytes[at + 1] >= low && bytes[at + 1] <= high)) return 0;
  for (let next = 2; next < length; next++) {
    if (!(bytes[at + next] >= 0x80 && bytes[at + next] <= 0xbf)) return 0;
  }
  return length;
}

function pointAt(bytes, at, length) {
  let point = length === 1 ? bytes[at] : bytes[at] & (0x7f >> length);
  for (let next = 1; next < length; next++) point = (point << 6) | (bytes[at + next] & 63);
  return point;
}
