"""What tests read in a text: the words that no report may contain, and the data between the other words."""

import re

MISLEADING = {
    "a number that is none, as a deviation": re.compile(r"^deviation .*\b(nan|inf)\b", re.MULTILINE),
    "nan is what was asked for": re.compile(r"^expected .*(= |: )nan\b", re.MULTILINE),
    "numbers that are none": re.compile(r"\b1 x 1 numbers|\+- 0\b(?!\.)"),
    "one thing as several": re.compile(r"\b1 (of 1 )?(values|pixels|tensors|images|codes|parameters)\b"),
    "a name of the grader's own": re.compile(
        r"\b\w*grad_\w+|value_\w+|\bstate\.|\b(encoder|decoder|mean|logvar)_(weight|bias|bend)\b"
        r"|\bknown_\w+|\b(reconstruction|nll|kl)_\d|head_width|standin|\bz_size\b"
    ),
}


def misleading(text: str) -> list[str]:
    """Return what is misleading in a text for students, in words."""
    return [f"{what} ({found[0]!r})" for what, pattern in MISLEADING.items() if (found := pattern.search(text))]


def numbers(text: str) -> list[str]:
    """Return the numbers, dates and times in a text, in their order."""
    return re.findall(r"\d+(?:[.,:-]\d+)*", text)


def lines_with(text: str, *data: str) -> list[str]:
    """Return the lines of a text that contain all of these: names of files, ids, numbers, commands."""
    return [line for line in text.splitlines() if all(each in line for each in data)]
