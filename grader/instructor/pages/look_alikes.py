"""Find pairs of submissions that share more code than the handout and the task explain. A pair is not a verdict.

Each file becomes a string with one character per token, so that a library for strings (copydetect, which winnows and
compares k-grams) works on tokens. The tokens are found here by one regular expression that reads each character once.
Pygments, which copydetect would use, needs 35 s for `match` followed by 64 KiB of blanks, and its line numbers are
wrong after lines that it strips. Any text is accepted, also if it is not Python.

Only a submission's own code counts: code that was not given to everyone, and that is not so common in this class that
the task itself explains it (short tasks have few right answers). Names, comments and layout do not count.
"""

import io
import keyword
import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.report.text import harmless

GRAM = 12  # consecutive tokens in a k-gram
MOST_CHARACTERS = 100_000  # characters of a text that are used: eight times the length of the reference
MOST_TOKENS = 5_000  # own tokens of a text that are used: five times a usual solution
_GAP = "\0"  # replaces given code that was removed; never the character of a token

# Possessive quantifiers are avoided: they are not needed, and Python 3.11.2 (Debian 12) has a bug in them.
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
        lines: The line (from 1) where each token begins.
    """

    words: str
    lines: NDArray[np.int32]


def stream(text: str) -> Stream:
    """Return the tokens of a text: keywords, operators and numbers as they are, all other names as the same token.

    So renamed variables and another layout do not hide a copy.
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
    """Return the hashes of all k-grams of a string, in order."""
    from copydetect.utils import hashed_kgrams  # imports matplotlib.pyplot, so only on demand

    found: NDArray[np.int64] = hashed_kgrams(words, GRAM)
    return found.astype(np.int64)


def own(whole: Stream, given: NDArray[np.int64]) -> Stream:
    """Return a stream without the tokens that are in a given k-gram; each removed part becomes a gap."""
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
    """Return the distinct hashes of the k-grams that contain no gap."""
    hashes = grams(mine.words)
    return np.unique(hashes[_gapless(mine.words)]) if len(hashes) else hashes


def _gapless(words: str) -> NDArray[np.bool_]:
    gaps = np.cumsum([0, *(word == _GAP for word in words)])
    return np.asarray(gaps[GRAM:] == gaps[:-GRAM])


def fingerprint(mine: Stream, common: Collection[int]) -> Any:
    """Return copydetect's CodeFingerprint of a stream, without k-grams that contain a gap or are in `common`."""
    from copydetect import CodeFingerprint
    from copydetect.utils import get_token_coverage

    found = CodeFingerprint("submission.py", GRAM, 1, filter=False, fp=io.StringIO(mine.words, newline=""))
    whole = _gapless(mine.words)
    kept = {int(h): [i for i in places if whole[i]] for h, places in found.hash_idx.items() if int(h) not in common}
    found.hash_idx = {h: places for h, places in kept.items() if places}
    found.hashes = set(found.hash_idx)
    found.token_coverage = get_token_coverage(found.hash_idx, GRAM, len(mine.words))
    return found


# Measured on three classes of 300, mixed from the zoo's right answers (tests/test_look_alikes.py). Of 84,025 pairs
# with different answers for encoder, decoder and log_likelihood, none has a share of 0.75 or more (the maximum is 0.73,
# one pair in 10,000 has 0.6). All of 60 copies with other names, order and layout have 0.86 or more. Of 60 copies of
# three quarters of a file, 39 have 0.75 or more.
THRESHOLD = 0.75
FEWEST_TOKENS = 100  # shared tokens that a pair needs; about ten lines
COMMON = 0.25  # code that a greater share of the class wrote is explained by the task
FEWEST_COMMON = 5  # code in this many submissions or fewer never is: in a small class, three of ten may have copied
MOST_PAIRS = 100
_BLOCK = 256  # rows of the table of counts in memory at a time
_MOST_CANDIDATES = 20_000  # pairs compared in full, the closest first; takes half a minute


@dataclass(frozen=True)
class SharedLine:
    """One shared line: its number, its text, and whether lines before it are omitted."""

    number: int
    text: str
    gap: bool


@dataclass(frozen=True)
class Side:
    """One submission of a pair.

    Attributes:
        submission: Name of the submission.
        share: Share of its own code that the other submission also contains, 0 to 1.
        lines: The shared lines.
    """

    submission: str
    share: float
    lines: tuple[SharedLine, ...]


@dataclass(frozen=True)
class Pair:
    """Two submissions that look alike; `share` is the greater of their shares."""

    first: Side
    second: Side

    @property
    def share(self) -> float:
        """The greater of the two shares."""
        return max(self.first.share, self.second.share)


@dataclass(frozen=True)
class LookAlikes:
    """The result of a search.

    Attributes:
        pairs: At most MOST_PAIRS pairs, the closest first.
        more: Number of further pairs.
        compared: Number of submissions with enough own code to compare.
        cut: Names of the submissions that were too long to compare in full.
    """

    pairs: tuple[Pair, ...]
    more: int
    compared: int
    cut: tuple[str, ...]


def find_look_alikes(
    sources: Sequence[tuple[str, str]], given: Iterable[str], threshold: float = THRESHOLD
) -> LookAlikes:
    """Return the pairs whose share reaches the threshold.

    Time and memory are bounded for any texts: each is cut to a length that no honest submission reaches.

    Args:
        sources: (name, text) of each submission.
        given: Texts that every student received: skeleton, training code.
        threshold: Minimum share of a reported pair.

    Raises:
        ImportError: copydetect is not installed.
    """
    boilerplate = np.unique(np.concatenate([np.zeros(0, np.int64), *(grams(stream(text).words) for text in given)]))
    streams = [own(stream(text), boilerplate) for _, text in sources]
    cut = tuple(
        name
        for (name, text), mine in zip(sources, streams, strict=True)
        if len(text) > MOST_CHARACTERS or len(mine.words) >= MOST_TOKENS
    )
    hashes = [own_grams(mine) for mine in streams]
    common = _common(hashes)
    rare = [np.setdiff1d(mine, common, assume_unique=True) for mine in hashes]
    found = _compare(streams, _candidates(rare, threshold), set(common.tolist()), threshold)
    shown = [_pair(sources, streams, *pair) for pair in found[:MOST_PAIRS]]
    return LookAlikes(tuple(shown), max(len(found) - MOST_PAIRS, 0), sum(len(mine) > 0 for mine in rare), cut)


def _common(hashes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the k-grams that are in so many submissions that the task explains them."""
    values, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *hashes]), return_counts=True)
    return np.asarray(values[counts > max(FEWEST_COMMON, COMMON * len(hashes))])


def _candidates(hashes: Sequence[NDArray[np.int64]], threshold: float) -> list[tuple[int, int]]:
    """Return the pairs that may reach the threshold.

    Their shared k-grams are counted by multiplying a sparse matrix (submissions x k-grams) by its transpose.
    """
    from scipy.sparse import csr_matrix

    sizes = np.array([len(mine) for mine in hashes])
    if not sizes.any():
        return []
    _, columns = np.unique(np.concatenate(hashes), return_inverse=True)
    rows = np.repeat(np.arange(len(hashes)), sizes)
    table = csr_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)))
    pairs: list[tuple[float, int, int]] = []
    for start in range(0, len(hashes), _BLOCK):
        block = (table[start : start + _BLOCK] @ table.T).tocoo()
        first, second = block.row + start, block.col
        part = block.data / np.minimum(sizes[first], sizes[second]).clip(1)
        # A shared run of n tokens has n - 11 shared k-grams. So for short runs, the share of k-grams is smaller than
        # the share of tokens. For pairs above the threshold, it was at least 0.89 times the share of tokens.
        near = (first < second) & (part >= 0.8 * threshold)
        pairs += zip((-part[near]).tolist(), first[near].tolist(), second[near].tolist(), strict=True)
        pairs = sorted(pairs)[:_MOST_CANDIDATES]
    return sorted(((first, second) for _, first, second in pairs), key=lambda p: (p[0] // _BLOCK, p[1] // _BLOCK, p))


def _compare(
    streams: Sequence[Stream], pairs: Sequence[tuple[int, int]], common: Collection[int], threshold: float
) -> list[tuple[int, int, Any]]:
    """Return (first, second, copydetect's comparison) of the pairs that reach the threshold, the closest first."""
    from copydetect import compare_files

    @lru_cache(maxsize=2 * _BLOCK)  # two blocks are enough, as pairs are sorted; all may not fit into memory
    def of(index: int) -> Any:
        return fingerprint(streams[index], common)

    found = []
    for first, second in pairs:
        compared = compare_files(of(first), of(second))
        if compared[0] >= FEWEST_TOKENS and max(compared[1]) >= threshold:
            found.append((first, second, compared))
    return sorted(found, key=lambda pair: (-max(pair[2][1]), -min(pair[2][1]), pair[0], pair[1]))


def _pair(
    sources: Sequence[tuple[str, str]], streams: Sequence[Stream], first: int, second: int, compared: Any
) -> Pair:
    _, shares, slices = compared
    sides = [
        Side(sources[index][0], float(min(share, 1.0)), _lines(sources[index][1], streams[index], parts))
        for index, share, parts in zip((first, second), shares, slices, strict=True)
    ]
    return Pair(*sides)


def _lines(text: str, mine: Stream, slices: NDArray[np.int64]) -> tuple[SharedLine, ...]:
    """Return the lines with at least half of their tokens shared."""
    shared = np.zeros(len(mine.words), dtype=bool)
    for start, end in slices.T.tolist():
        shared[start:end] = True
    numbers, counts = np.unique(mine.lines[shared], return_counts=True)
    every, totals = np.unique(mine.lines, return_counts=True)
    of_line = dict(zip(every.tolist(), totals.tolist(), strict=True))
    texts = [harmless(line).rstrip() for line in text.split("\n")]
    picked = [n for n, count in zip(numbers.tolist(), counts.tolist(), strict=True) if 2 * count >= of_line[n]]
    return tuple(SharedLine(n, texts[n - 1], bool(i) and n > picked[i - 1] + 1) for i, n in enumerate(picked))
