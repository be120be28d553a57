// Counting: lines, words and bytes as `LC_ALL=C.UTF-8 wc` gives them (see ../count), and the ten most frequent words.
//
// One pass with a table of what each character is: in an interpreter that is several times faster than expressions.

const SPACE = 1;
const INK = 2;
const LETTER = 4;
const NOTHING = 8;

// What `iswspace` says in C.UTF-8, and the no-break spaces that `wc` adds.
const SPACES = /[\t-\r \u00a0\u1680\u2000-\u200a\u202f\u205f\u2060\u3000]/u;
// Neither separates words nor makes one: controls, the two separators, unassigned code points, and the lone surrogates
// that stand for bytes that are not UTF-8.
const UNPRINTABLE = /[\p{Cc}\p{Cn}\p{Cs}\u2028\u2029]/u;
const LETTERS = /[\p{Alphabetic}\p{N}]/u;
const NOT_UTF8 = /[\udc80-\udcff]/u;

// By code unit, zero where it was not asked for yet; filled as far as most texts go when the component is built.
const KINDS = new Uint8Array(0x10000);
for (let point = 0; point < 0x800; point++) KINDS[point] = kindOf(point);

function kindOf(point) {
  const character = String.fromCodePoint(point);
  if (SPACES.test(character)) return SPACE;
  if (UNPRINTABLE.test(character)) return NOTHING;
  return LETTERS.test(character) ? INK | LETTER : INK;
}

// Counts a text. `decode` turns bytes into text, with a lone surrogate for each byte that is not UTF-8.
export function count(bytes, decode) {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++;
  const text = decode(bytes);
  const { words, runs } = scan(text);
  return { lines, words, bytes: bytes.length, utf8: !NOT_UTF8.test(text), top: top(runs) };
}

function scan(text) {
  const runs = new Map();
  let words = 0;
  let inWord = false;
  let run = -1;
  for (let at = 0, next = 0; at <= text.length; at = next) {
    const unit = at < text.length ? text.charCodeAt(at) : 0x20;
    const pair = (unit & 0xfc00) === 0xd800;
    const kind = pair ? kindOf(text.codePointAt(at)) : (KINDS[unit] ||= kindOf(unit));
    next = at + (pair ? 2 : 1);
    if (kind & LETTER) {
      if (run < 0) run = at;
    } else if (run >= 0) {
      const letters = text.slice(run, at);
      runs.set(letters, (runs.get(letters) ?? 0) + 1);
      run = -1;
    }
    if (kind & INK) inWord = true;
    else if (kind === SPACE && inWord) {
      words++;
      inWord = false;
    }
  }
  return { words, runs };
}

function top(runs) {
  const lowered = new Map();
  for (const [run, times] of runs) {
    const word = run.toLowerCase();
    lowered.set(word, (lowered.get(word) ?? 0) + times);
  }
  return [...lowered].sort(([a, m], [b, n]) => n - m || byCodePoint(a, b)).slice(0, 10);
}

// The order of UTF-8, which is not that of JavaScript's own strings beyond U+FFFF.
function byCodePoint(a, b) {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at === -1) return left.length - right.length;
  return left[at].codePointAt(0) - (right[at]?.codePointAt(0) ?? -1);
}
