"""Run with `python3 -m unittest` where GNU `wc` is."""

import os
import subprocess
import unittest

from counting import count

#: Nothing here that is not UTF-8 or not printable: `wc` before 9.5 and after count such texts alike.
PLAIN = [
    "",
    "\n",
    "no newline at the end",
    "two\r\nlines\r\n",
    "\t\x0b\x0c form feed",
    "caf\u00e9 na\u00efve \u2192 \U0001f600",
    "no\u00a0break thin\u202fspace figure\u2007space join\u2060er",
    "\u65e5\u672c\u3000\u8a9e\u2003em zero\u200bwidth",
    "\u200b \u00ad \u0301 x\u1680z",
    "\ue000 \ufeff \U0001f600",
]

#: With the figures of `wc` 9.1; 9.5 and later find more words here.
ODD = [
    (b"a\0b \0 \x01", [0, 1, 7]),
    (b"form feed\x1c\x1dx", [0, 2, 12]),
    (b"\x1b[1mbold\x1b[0m \x1b \x7f", [0, 1, 16]),
    ("next\u0085line \u0085".encode(), [0, 1, 13]),
    ("\u2028x\u2029y \u2028".encode(), [0, 1, 12]),
    ("\u0378 \uffff \U0010ffff \u20c5 x".encode(), [0, 1, 17]),
    (b"\xff\xfe", [0, 0, 2]),
    (b"a\xffb \xff c \xe2\x82 d \xed\xa0\x80 e\xc3", [0, 4, 19]),
    (b"latin \xe9t\xe9 \xa0 end", [0, 3, 15]),
]


def wc(data):
    run = subprocess.run(["wc", "-lwc"], input=data, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return [int(figure) for figure in run.stdout.split()]


def figures(data):
    report = count(data)
    return [report["lines"], report["words"], report["bytes"]]


class Counting(unittest.TestCase):
    def test_counts_like_wc(self):
        for text in PLAIN:
            with self.subTest(text):
                self.assertEqual(figures(text.encode()), wc(text.encode()))

    def test_what_is_not_printable_or_not_utf8_neither_separates_words_nor_makes_one(self):
        for data, expected in ODD:
            with self.subTest(data):
                self.assertEqual(figures(data), expected)

    def test_names_the_ten_most_frequent_words_with_ties_by_word(self):
        top = count("b a The the THE c-c d1 e f g h i j \u00c9t\u00e9 \u00e9t\u00e9".encode())["top"]
        words = ["the 3", "c 2", "\u00e9t\u00e9 2", "a 1", "b 1", "d1 1", "e 1", "f 1", "g 1", "h 1"]
        self.assertEqual([f"{word} {times}" for word, times in top], words)

    def test_says_when_a_text_is_not_utf8(self):
        self.assertTrue(count("\u00e9".encode())["utf8"])
        self.assertFalse(count(b"\xe9")["utf8"])
