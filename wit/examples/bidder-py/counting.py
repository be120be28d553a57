"""Counting: lines, words and bytes as `LC_ALL=C.UTF-8 wc` gives them (see ../count), and the ten most frequent words."""

import re
import unicodedata
from collections import Counter

_WHITE = "\t\n\v\f\r"
#: Categories of what neither separates words nor makes one; a byte that is not UTF-8 is a surrogate here.
_UNPRINTABLE = ("Cc", "Cn", "Cs", "Zl", "Zp")
_RUN = re.compile(r"[^\W_]+")


def count(data):
    text, utf8 = _decoded(data)
    return {"lines": data.count(b"\n"), "words": _words(text), "bytes": len(data), "utf8": utf8, "top": _top(text)}


def _decoded(data):
    """The text, with a lone surrogate for each byte that is not UTF-8."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), False


def _words(text):
    nothing = [char for char in set(text) if unicodedata.category(char) in _UNPRINTABLE and char not in _WHITE]
    if nothing:
        text = text.translate(dict.fromkeys(map(ord, nothing)))
    # What is left of Python's own white space is that of `wc`, but for the word joiner.
    return len(text.replace("\u2060", " ").split())


def _top(text):
    lowered = Counter()
    for run, times in Counter(_RUN.findall(text)).items():
        lowered[run.lower()] += times
    top = sorted(lowered.items(), key=lambda item: (-item[1], item[0]))
    return [list(item) for item in top[:10]]
