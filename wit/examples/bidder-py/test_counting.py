"""Run with `python3 -m unittest` where GNU `wc` is."""

import os
import subprocess
import unittest

from counting import count

ODD = [
    b"",
    b"\n",
    b"no newline at the end",
    b"two\r\nlines\r\n",
    b"a\0b \0 \x01",
    b"\t\x0b\x0c form feed\x1c\x1dx",
    b"\x1b[1mbold\x1b[0m \x1b \x7f",
    "caf\u00e9 na\u00efve \u2192 \U0001f600".encode(),
    "no\u00a0break thin\u202fspace figure\u2007space join\u2060er".encode(),
    "\u65e5\u672c\u3000\u8a9e\u2003em next\u0085line zero\u200bwidth".encode(),
    "\u0085 \u200b \u00ad \u0301 \u2028x\u2029y\u1680z".encode(),
    "\u0378 \ue000 \u0301 \ufeff \uffff \U0010ffff \U0001f600 \u20c5".encode(),
    b"\xff\xfe",
    b"a\xffb \xff c \xe2\x82 d \xed\xa0\x80 e\xc3",
    b"latin \xe9t\xe9 \xa0 end",
]


def wc(data):
    run = subprocess.run(["wc", "-lwc"], input=data, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return [int(figure) for figure in run.stdout.split()]


class Counting(unittest.TestCase):
    def test_counts_like_wc(self):
        for data in ODD:
            with self.subTest(data):
                report = count(data)
                self.assertEqual([report["lines"], report["words"], report["bytes"]], wc(data))

    def test_names_the_ten_most_frequent_words_with_ties_by_word(self):
        top = count("b a The the THE c-c d1 e f g h i j \u00c9t\u00e9 \u00e9t\u00e9".encode())["top"]
        words = ["the 3", "c 2", "\u00e9t\u00e9 2", "a 1", "b 1", "d1 1", "e 1", "f 1", "g 1", "h 1"]
        self.assertEqual([f"{word} {times}" for word, times in top], words)

    def test_says_when_a_text_is_not_utf8(self):
        self.assertTrue(count("\u00e9".encode())["utf8"])
        self.assertFalse(count(b"\xe9")["utf8"])
