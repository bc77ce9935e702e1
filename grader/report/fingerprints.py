"""Fingerprints of Python text: what is left when names, layout, comments and texts are taken away.

A file becomes a string with one character per token, so that a library made for strings (copydetect, which winnows
and compares k-grams) counts in tokens. The tokens are found here, by one regular expression that never looks at a
character twice: Pygments, which copydetect would use, needs 35 s for `match` and 64 KiB of blanks, and loses count of
lines that it strips. Any text will do, Python or not.
"""

import io
import keyword
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAM = 12  # tokens in a row that make a fingerprint
MOST_CHARACTERS = 100_000  # of a text that are looked at: eight times the reference; and
MOST_TOKENS = 5_000  # of its own tokens: five times a usual solution
_GAP = "\0"  # stands where given code was taken out; no token has it

# No possessive quantifiers, which nothing here needs: Python 3.11.2, which is that of Debian 12, gets them wrong.
_TOKEN = re.compile(
    r"""
    (?P<newline>\n) | (?P<blank>(?:[^\S\n]|\\\n)+ | \#[^\n]*)
    | (?P<text>[rRbBuUfFtT]{0,2}(?:
          "{3}(?:[^"\\]|\\.|"(?!""))*(?:"{3}|\\?\Z) | '{3}(?:[^'\\]|\\.|'(?!''))*(?:'{3}|\\?\Z)
        | "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'?
      ))
    | (?P<name>[^\W\d]\w*) | (?P<other>\.?\d[\w.]* | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_KEPT = {*keyword.kwlist, "self", "len", "range", "sum", "max", "min", "zip", "enumerate", "print", "super"}


@dataclass(frozen=True)
class Stream:
    """A text as tokens.

    Attributes:
        words: One character per token.
        lines: The line (from 1) on which each token begins, as an array.
    """

    words: str
    lines: NDArray[np.int32]


def stream(text: str) -> Stream:
    """Return the tokens of a text: keywords, operators and numbers as they are, every other name the same.

    Whoever copies renames variables and reformats; what a program does, keywords, operators and numbers say.
    """
    words, lines, line = [], [], 1
    for match in _TOKEN.finditer(text[:MOST_CHARACTERS]):
        kind, token = match.lastgroup, match.group()
        if kind not in ("newline", "blank"):
            words.append(_word(str(kind), token))
            lines.append(line)
        line += token.count("\n")
    return Stream("".join(words), np.array(lines, dtype=np.int32))


def _word(kind: str, token: str) -> str:
    if kind == "text":
        token = "text"
    elif kind == "name" and token not in _KEPT:
        token = "name"
    return chr(1 + zlib.crc32(token.encode("utf-8", "replace")) % 0xD7FF)  # never the gap, never half a surrogate pair


def grams(words: str) -> NDArray[np.int64]:
    """Return the hash of every k-gram of a string, in its order."""
    from copydetect.utils import hashed_kgrams  # imports matplotlib.pyplot: only where it is needed

    found: NDArray[np.int64] = hashed_kgrams(words, GRAM)
    return found.astype(np.int64)


def own(whole: Stream, given: NDArray[np.int64]) -> Stream:
    """Return a stream without the tokens that lie in a given k-gram; a gap stands where some were."""
    theirs = np.zeros(len(whole.words) + 1, dtype=np.int32)
    hits = np.flatnonzero(np.isin(grams(whole.words), given))
    np.add.at(theirs, hits, 1)
    np.add.at(theirs, hits + GRAM, -1)
    kept = np.cumsum(theirs)[:-1] == 0
    words, lines = [], []
    for i in np.flatnonzero(kept)[:MOST_TOKENS]:
        if i and not kept[i - 1]:
            words.append(_GAP)
            lines.append(whole.lines[i])
        words.append(whole.words[i])
        lines.append(whole.lines[i])
    return Stream("".join(words), np.array(lines, dtype=np.int32))


def own_grams(mine: Stream) -> NDArray[np.int64]:
    """Return the distinct hashes of the k-grams that do not reach over a gap."""
    hashes = grams(mine.words)
    return np.unique(hashes[_gapless(mine.words)]) if len(hashes) else hashes


def _gapless(words: str) -> NDArray[np.bool_]:
    gaps = np.cumsum([0, *(word == _GAP for word in words)])
    return np.asarray(gaps[GRAM:] == gaps[:-GRAM])


def fingerprint(mine: Stream, common: Collection[int]) -> Any:
    """Return copydetect's CodeFingerprint of a stream, without k-grams over gaps and without `common` ones."""
    from copydetect import CodeFingerprint
    from copydetect.utils import get_token_coverage

    found = CodeFingerprint("submission.py", GRAM, 1, filter=False, fp=io.StringIO(mine.words, newline=""))
    whole = _gapless(mine.words)
    kept = {int(h): [i for i in places if whole[i]] for h, places in found.hash_idx.items() if int(h) not in common}
    found.hash_idx = {h: places for h, places in kept.items() if places}
    found.hashes = set(found.hash_idx)
    found.token_coverage = get_token_coverage(found.hash_idx, GRAM, len(mine.words))
    return found
