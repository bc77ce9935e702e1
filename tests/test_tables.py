"""CSV files that others wrote: read as they meant it, or refused with the line."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.instructor.csv_tables import Row, TableError, read_table


def read(folder: Path, content: str | bytes) -> list[tuple[int, tuple[str, ...]]]:
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_table(path)
    return [(1, table.header), *((row.line, row.cells) for row in table.rows)]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "a;b\n1;2\n", "a\tb\n1\t2\n", "\ufeffa,b\r\n1,2\r\n", "a,b\r1,2", '"a","b"\n"1","2"']
)
def test_systems_write_the_same_table_in_many_ways(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [(1, ("a", "b")), (2, ("1", "2"))]


MUELLER = [("Name, first", "id"), ("M\u00fcller, J\u00fcrgen", "s1"), ("Doe, \u201cJane\u201d", "s2")]


def spreadsheet(separator: str, quoted: bool) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(MUELLER)
    return stream.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("before", ["", "sep={}\r\n", "\r\n", "{}{}\r\n"], ids=["", "sep", "blank", "separators"])
def test_what_spreadsheets_write_is_read(
    tmp_path: Path, separator: str, quoted: bool, encoding: str, before: str
) -> None:
    first = before.format(separator, separator)
    found = read(tmp_path, f"{first}{spreadsheet(separator, quoted)}".encode(encoding))
    assert [cells for _, cells in found] == MUELLER
    assert [line for line, _ in found[1:]] == [2 + bool(first), 3 + bool(first)]


def test_an_error_in_the_header_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\n\nid;ID\n1;2\n")
    table = read_table(tmp_path / "a.csv")
    with pytest.raises(TableError, match="line 3: 2 columns are called `id`"):
        table.column("id")


def test_a_column_with_separators_in_its_cells_is_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, "id\na;b\n") == [(1, ("id",)), (2, ("a;b",))]


def test_each_row_has_the_line_on_which_it_begins(tmp_path: Path) -> None:
    text = 'a,b\n"x\ny",1\n\n,\n"p ""q"", r",2\n'
    assert read(tmp_path, text) == [(1, ("a", "b")), (2, ("x\ny", "1")), (6, ('p "q", r', "2"))]


def test_short_rows_are_filled_and_empty_cells_too_many_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n1\n2,3,,\n") == [(1, ("a", "b")), (2, ("1", "")), (3, ("2", "3"))]


def test_columns_are_found_whatever_their_capitals_and_blanks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(" Email  address,ID\n x ,2\n")
    table = read_table(tmp_path / "a.csv")
    assert table.cell(table.rows[0], "email address") == "x"
    assert table.cell(table.rows[0], "name") == ""
    assert (table.column("id"), table.column("name")) == (1, None)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,ID\n1,2\n")
    with pytest.raises(TableError, match="line 1: 2 columns are called `id`"):
        read_table(tmp_path / "a.csv").column("id")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells, but the header has 2"),
        (b'a,b\n\n"1\n,2\n', "line 3: not valid CSV: unexpected end of data"),
        (b'a,b\n1,"2"x\n', "line 2: not valid CSV"),
        (b"a,b\n1,2\nJ\x81rgen,2\n", "line 3: unknown text encoding; save the file as CSV in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "line 2: unknown text encoding"),
        (b'sep=;\n\nid;name\n1;"2"x\n', "line 4: not valid CSV"),
        (b"\n;;\nid;name\n1;2;3\n", "line 4: 3 cells, but the header has 2"),
        (b"a\n" + b"x" * 200_000, "line 2: not valid CSV: field larger than"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(TableError, match=re.escape(words)) as refusal:
        read(tmp_path, content)
    assert str(refusal.value).startswith(f"{tmp_path / 'a.csv'}, line ") and "\n" not in str(refusal.value)


def test_a_workbook_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04\x14\x00")
    with pytest.raises(TableError, match=r"a.csv: this is a workbook, not a CSV file; save it as CSV"):
        read_table(tmp_path / "a.csv")


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    assert read(tmp_path, "") == [(1, ())]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(stream.getvalue().encode())
    found = read_table(path).rows
    assert [row.cells for row in found] == [row for row in rows if any(cell.strip() for cell in row)]
    lines = len(re.findall("\r\n|\r|\n", stream.getvalue()))  # as editors count them, in cells too
    assert all(isinstance(row, Row) and 2 <= row.line <= lines for row in found)
