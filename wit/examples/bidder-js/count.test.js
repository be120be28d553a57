// Run with `node --test` where GNU `wc` is.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { decode, encode } from "../../sdk/js/utf8.js";
import { count } from "./count.js";

function wc(bytes) {
  const { stdout } = spawnSync("wc", ["-lwc"], { input: bytes, env: { ...process.env, LC_ALL: "C.UTF-8" } });
  return String(stdout).trim().split(/\s+/).map(Number);
}

// Nothing here that is not UTF-8 or not printable: `wc` before 9.5 and after count such texts alike.
const PLAIN = [
  "", "\n", "no newline at the end", "two\r\nlines\r\n", "\t\x0b\x0c form feed", "café naïve → 😀",
  "no\u00a0break thin\u202fspace figure\u2007space join\u2060er", "日本\u3000語\u2003em zero\u200bwidth",
  "\u200b \u00ad \u0301 x\u1680z", "\ue000 \ufeff \u{1f600}",
];

// With the figures of `wc` 9.1; 9.5 and later find more words here.
const ODD = [
  ["a\0b \0 \x01", [0, 1, 7]],
  ["\x1b[1mbold\x1b[0m \x1b \x7f", [0, 1, 16]],
  ["next\u0085line \u0085", [0, 1, 13]],
  ["\u2028x\u2029y \u2028", [0, 1, 12]],
  ["\u0378 \uffff \u{10ffff} \u20c5 x", [0, 1, 17]],
  [[0xff, 0xfe], [0, 0, 2]],
  [[0x61, 0xff, 0x62, 0x20, 0xff, 0x20, 0x63, 0x20, 0xe2, 0x82, 0x20, 0x64], [0, 3, 12]],
  [[0x64, 0x20, 0xed, 0xa0, 0x80, 0x20, 0x65, 0xc3], [0, 2, 8]],
  [[0x6c, 0xe9, 0x74, 0x20, 0xa0, 0x20, 0x65], [0, 2, 7]],
];

function figures(bytes) {
  const report = count(new Uint8Array(bytes), decode);
  return [report.lines, report.words, report.bytes];
}

for (const text of PLAIN) {
  test(`counts like wc: ${JSON.stringify(text)}`, () => {
    const bytes = Buffer.from(text);
    assert.deepEqual(figures(bytes), wc(bytes));
  });
}

for (const [text, expected] of ODD) {
  test(`neither a separator nor a word: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(figures(Buffer.from(text)), expected);
  });
}

test("names the ten most frequent words with ties by word", () => {
  const { top } = count(encode("b a The the THE c-c d1 e f g h i j Été été"), decode);
  assert.deepEqual(top.map(String), ["the,3", "c,2", "été,2", "a,1", "b,1", "d1,1", "e,1", "f,1", "g,1", "h,1"]);
});

test("says when a text is not UTF-8", () => {
  assert.equal(count(encode("é"), decode).utf8, true);
  assert.equal(count(Uint8Array.of(0xe9), decode).utf8, false);
});
