"""Names of submissions: unique, and harmless as a folder, in a spreadsheet and on any system."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.instructor.class_runs.entries import harmless_name, stem, unique_names

ANY = st.text(max_size=60)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice.py", "alice"),
        ("alice.zip", "alice"),
        ("alice.tar.gz", "alice"),
        ("alice.TGZ", "alice"),
        ("a.b.py", "a.b"),
        ("alice.py.txt", "alice"),
        ("notes.txt", "notes"),
        ("README", "README"),
        (".py", ".py"),
    ],
)
def test_extensions_are_left_out(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice", "alice"),
        ("Jürgen Müller", "Jürgen Müller"),
        ("Ju\u0308rgen", "Jürgen"),
        ("张伟", "张伟"),
        ("हिन्दी", "हिन्दी"),
        ("s1234567", "s1234567"),
        ("=cmd|'calc'!A1", "_cmd__calc__A1"),
        ("+1", "_1"),
        ("-x", "_x"),
        ("@sum", "_sum"),
        ("＝1", "_1"),
        ("../../etc/passwd", "__.._etc_passwd"),
        ("a\\b", "a_b"),
        ("a\nb\tc\x00", "a_b_c_"),
        ("tail. .", "tail"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("...", "submission_"),
        ("", "submission"),
        ("💥", "submission_"),
    ],
)
def test_what_could_do_harm_becomes_an_underscore(name: str, expected: str) -> None:
    assert harmless_name(name) == expected


@given(ANY)
def test_every_name_is_harmless(name: str) -> None:
    text = harmless_name(name)
    assert text and len(text.encode()) <= 130
    assert text[0] not in "=+-@. \t" and text[-1] not in ". "
    assert not set(text) & set("/\\:*?\"<>|'`;,\n\r\t\0")
    assert text == unicodedata.normalize("NFC", text)


@given(ANY.filter(lambda name: len(name.encode()) < 100))
def test_letters_and_digits_are_kept(name: str) -> None:
    kept = set(string.ascii_letters + string.digits)
    assert [c for c in name if c in kept] == [
        c for c in harmless_name(name).removeprefix("submission") if c in kept
    ] or (harmless_name(name).startswith("submission"))


def test_the_first_of_several_keeps_its_name() -> None:
    assert unique_names(["a", "A", "b", "a"]) == ["a", "A-2", "b", "a-3"]
    assert unique_names(["a", "a", "a-2"]) == ["a", "a-3", "a-2"]
    assert unique_names(["Straße", "STRASSE"]) == ["Straße", "STRASSE-2"]
    assert unique_names(["=a", "+a"]) == ["_a", "_a-2"]


def test_names_of_our_own_files_are_taken() -> None:
    assert unique_names(["grades.csv", "x"], reserved=["grades.csv"]) == ["grades.csv-2", "x"]


@given(st.lists(ANY, max_size=20))
def test_all_are_unique_also_where_capitals_are_not_told_apart(names: list[str]) -> None:
    given = unique_names(names, reserved=["index.html"])
    assert len({unicodedata.normalize("NFKC", name).casefold() for name in given}) == len(names)
    assert "index.html" not in given
    assert unique_names(names, reserved=["index.html"]) == given
