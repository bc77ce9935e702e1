"""What is taken from a file, a folder or an archive, and what is refused with which reason."""

import io
import os
import socket
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grader.instructor.class_runs.entries import Submission, collect, listing
from grader.instructor.class_runs.resume import is_output
from grader.instructor.class_runs.roster import owners
from grader.sandbox import archives, submission
from grader.sandbox.archives import HAND_IN, LEADS_OUT, NoSubmission
from grader.sandbox.submission import IS_LINK, TOO_COSTLY, read_submission, take
from tests.wording import numbers

TEXT = b"# mine\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and special files")


def refusal(path: Path) -> str:
    """Return why there is nothing to grade, after looking that it is one line and the same at home."""
    with pytest.raises(NoSubmission) as raised:
        read_submission(path)
    message = str(raised.value)
    assert message.isprintable()
    with pytest.raises(NoSubmission) as at_home:
        take(path, path.parent)
    assert str(at_home.value) == f"{path}: {message}"
    return message


def taken(path: Path) -> bytes:
    """Return the content of a submission of which there is nothing to say."""
    content, took = read_submission(path)
    assert not took
    return content


def zipped(path: Path, members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, content)
    return path


def tarred(path: Path, members: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(content))
    return path


PACK = {"zip": ("a.zip", zipped), "tar": ("a.tar.gz", tarred), "tgz": ("a.tgz", tarred)}
packed = pytest.mark.parametrize("kind", PACK)


def pack(kind: str, folder: Path, members: dict[str, bytes]) -> Path:
    name, make = PACK[kind]
    return make(folder / name, members)


# ## What is taken
def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "jane doe's (final).py"
    path.write_bytes(TEXT)
    assert taken(path) == TEXT


@pytest.mark.parametrize("inner", ["", "homework/", "a/b/c/"])
def test_a_folder_holds_one_file_at_any_depth(tmp_path: Path, inner: str) -> None:
    (tmp_path / "x" / inner).mkdir(parents=True, exist_ok=True)
    (tmp_path / "x" / inner / "VAE_Model.py").write_bytes(TEXT)
    (tmp_path / "x" / "torch.py").write_text("raise SystemExit")
    assert taken(tmp_path / "x") == TEXT


@packed
@pytest.mark.parametrize("inner", ["", "homework/", "./", "a/b/c/"])
def test_an_archive_holds_one_file_at_any_depth(tmp_path: Path, kind: str, inner: str) -> None:
    members = {f"{inner}VAE_Model.py": TEXT, "torch.py": b"raise SystemExit", "data/x.mat": bytes(100_000)}
    assert taken(pack(kind, tmp_path, members)) == TEXT


@packed
def test_what_macos_puts_beside_files_does_not_count(tmp_path: Path, kind: str) -> None:
    members = {
        "x/VAE_Model.py": TEXT,
        "__MACOSX/x/._VAE_Model.py": b"\x00",
        "__MACOSX/x/VAE_Model.py": b"\x00",
        "x/.ipynb_checkpoints/VAE_Model.py": b"old",
    }
    assert taken(pack(kind, tmp_path, members)) == TEXT


# ## What is refused
@packed
def test_none_and_several_are_told(tmp_path: Path, kind: str) -> None:
    none = refusal(pack(kind, tmp_path, {"hw/model.ipynb": b"{}", "hw/._x.py": TEXT, "hw/README.md": TEXT}))
    assert "archive" in none and " hw/README.md, hw/model.ipynb:" in none and not numbers(none)
    several = refusal(pack(kind, tmp_path, {"a/VAE_Model.py": TEXT, "b/VAE_Model.py": TEXT}))
    assert "archive" in several and "(a/VAE_Model.py, b/VAE_Model.py)" in several and numbers(several) == ["2"]
    assert none.endswith(HAND_IN) and several.endswith(HAND_IN)


def test_none_and_several_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x" / "a").mkdir(parents=True)
    none = refusal(tmp_path / "x")
    assert "folder" in none and "empty" in none and none.endswith(HAND_IN)
    for inner in ("", "a/"):
        (tmp_path / "x" / inner / "VAE_Model.py").write_bytes(TEXT)
    assert "2 files" in refusal(tmp_path / "x")


def test_a_file_of_more_than_a_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_bytes(b"#" * (1 << 20))
    assert len(taken(path)) == 1 << 20
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert numbers(refusal(path)) == [f"{1 << 20:,}"]


@packed
def test_a_bomb_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    path = pack(kind, tmp_path, {"VAE_Model.py": bytes(64 << 20)})
    assert path.stat().st_size < 100_000
    assert numbers(refusal(path)) == [f"{1 << 20:,}"]


def test_a_zip_that_lies_about_a_size_is_not_believed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"VAE_Model.py": bytes(8 << 20)})
    content = path.read_bytes()
    path.write_bytes(content.replace((8 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    assert refusal(path)


def test_a_tar_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 1 << 20)
    path = tarred(tmp_path / "a.tar.gz", {"data": bytes(4 << 20), "VAE_Model.py": TEXT})
    with path.open("rb") as stream, pytest.raises(NoSubmission, match="too much"):
        archives.from_tar(stream)


def test_a_zip_whose_list_of_files_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LONGEST_READ", 100_000)
    path = zipped(tmp_path / "a.zip", {**{f"{i:x}.txt": b"" for i in range(3_000)}, "VAE_Model.py": TEXT})
    with path.open("rb") as stream, pytest.raises(NoSubmission, match="too much"):
        archives.from_zip(stream)


@packed
@pytest.mark.parametrize("path", ["../VAE_Model.py", "a/../../VAE_Model.py", "/VAE_Model.py", "C:/VAE_Model.py"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, kind: str, path: str) -> None:
    assert refusal(pack(kind, tmp_path, {path: TEXT})) == LEADS_OUT


def test_a_path_that_leads_out_the_windows_way(tmp_path: Path) -> None:
    assert "leads outside" in refusal(tarred(tmp_path / "a.tgz", {"..\\VAE_Model.py": TEXT}))


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    def zip_link(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16

    def tar_link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0

    def tar_hard_link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = tarfile.LNKTYPE, "other", 0

    expected = "VAE_Model.py in the archive is not a regular file"
    assert refusal(zipped(tmp_path / "a.zip", {"VAE_Model.py": b"/etc/passwd"}, zip_link)) == expected
    for change in (tar_link, tar_hard_link):
        assert refusal(tarred(tmp_path / "a.tar.gz", {"VAE_Model.py": b""}, change)) == expected


@posix
def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_bytes(b"secret")
    (tmp_path / "link.py").symlink_to(secret)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "VAE_Model.py").symlink_to(secret)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "VAE_Model.py").write_bytes(b"secret")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").symlink_to(tmp_path / "elsewhere")
    for name in ("link.py", "folder", "linked"):
        assert refusal(tmp_path / name) == IS_LINK
    assert refusal(tmp_path / "inner").startswith("no VAE_Model.py in this folder")


@posix
def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "VAE_Model.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.py"))
        for name in ("fifo.py", "x", "s.py"):
            assert refusal(tmp_path / name).startswith("not a regular file")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x05\x06" + bytes(18), b"\x1f\x8b\x08", b"PK\x03\x04" * 99]
)
def test_broken_archives_are_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(("not a readable", "no VAE_Model.py"))


@packed
def test_truncated_archives_are_told(tmp_path: Path, kind: str) -> None:
    path = pack(kind, tmp_path, {"VAE_Model.py": os.urandom(50_000).hex().encode()})
    path.write_bytes(path.read_bytes()[:20_000])
    assert refusal(path).startswith("not a readable")


def test_an_archive_that_ends_its_reader_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_PROGRAM", tmp_path / "reader.py")
    (tmp_path / "reader.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert refusal(zipped(tmp_path / "a.zip", {"VAE_Model.py": TEXT})) == TOO_COSTLY


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    expected = "neither a .py file nor a folder, a .zip or a .tar.gz: hand in one VAE_Model.py"
    assert refusal(tmp_path / "a.txt") == expected


# ## Names that are almost right: one rule for every place
PLACES: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": lambda folder, files: laid_out(folder / "x", files),
    "zip": lambda folder, files: zipped(folder / "x.zip", files),
    "tar": lambda folder, files: tarred(folder / "x.tar.gz", files),
    "zip in a folder": lambda folder, files: zipped(laid_out(folder / "x", {}) / "hw.zip", files).parent,
    "tar in a folder": lambda folder, files: tarred(laid_out(folder / "x", {}) / "hw.TGZ", files).parent,
}
everywhere = pytest.mark.parametrize("place", PLACES)


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for inner in {folder, *((folder / name).parent for name in files)}:
        inner.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@everywhere
@pytest.mark.parametrize(
    "name",
    [
        *("VAE_Model.PY", "vae_model.py", "VAE_Model (1).py", "VAE_Model-1.py", "VAE Model.py", "VAE_Model.py.txt"),
        *("a/b/VAEModel_final.py", "Copy of VAE_Model.py", "hw3.py", "hw3\\vae_model.py"),
    ],
)
def test_the_only_candidate_is_taken_and_its_name_told(tmp_path: Path, place: str, name: str) -> None:
    path = PLACES[place](tmp_path, {name: TEXT, "notes.txt": b"", "data/x.mat": b""})
    content, took = read_submission(path)
    assert content == TEXT
    assert took.rpartition(": ")[2] == name and took.startswith("hw") == ("in a folder" in place or name[:2] == "hw")
    assert read_submission(laid_out(tmp_path / "alone", {Path(name).name: TEXT}) / Path(name).name) == (TEXT, ""), (
        "as a file"
    )


@everywhere
@pytest.mark.parametrize("inner", ["VAE_Model.py", "hw3/VAE_Model.py", "hw3\\VAE_Model.py", "hw3\\src\\VAE_Model.py"])
def test_the_right_name_comes_first_with_the_slashes_of_any_system(tmp_path: Path, place: str, inner: str) -> None:
    others = {"vae_model.py": b"", "VAE_Model (1).py": b"", "train.py": b""}
    assert taken(PLACES[place](tmp_path, {inner: TEXT, **others})) == TEXT


@everywhere
def test_a_name_like_the_right_one_comes_before_all_others(tmp_path: Path, place: str) -> None:
    assert (
        read_submission(PLACES[place](tmp_path, {"hw/vae_model.py": TEXT, "hw/train.py": b"", "a.py": b""}))[0] == TEXT
    )


@everywhere
@pytest.mark.parametrize("names", [["vae_model.py", "VAE_Model (1).py", "b.py"], ["b.py", "a.py", "d.py", "c.py"]])
def test_several_candidates_are_named(tmp_path: Path, place: str, names: list[str]) -> None:
    count, which = (2, "VAE_Model (1).py, vae_model.py") if len(names) == 3 else (4, "a.py, b.py, c.py and 1 more")
    said = refusal(PLACES[place](tmp_path, dict.fromkeys(names, TEXT)))
    assert said.startswith(f"{count} files in this ") and f"could be the submission ({which})" in said


def test_a_python_file_beside_an_archive_is_not_preferred(tmp_path: Path) -> None:
    """Nobody knows which of the two was meant; by the name that is asked for, one would know."""
    folder = laid_out(tmp_path / "x", {"train.py": b""})
    zipped(folder / "hw.zip", {"VAE_Model.py": TEXT})
    assert "(hw.zip, train.py)" in refusal(folder)
    (folder / "hw.zip").rename(folder / "VAE_Model.zip")
    assert taken(folder) == TEXT


# ## What is no candidate is not counted
BESIDE = ["__MACOSX", ".git", ".ipynb_checkpoints", "__pycache__", "node_modules", "venv/lib/python3.11/site-packages"]


@everywhere
@pytest.mark.parametrize("beside", BESIDE)
def test_what_tools_put_beside_is_left_out(tmp_path: Path, place: str, beside: str) -> None:
    files = {f"hw/{beside}/VAE_Model.py": b"", f"hw/{beside}/setup.py": b"", "venv/bin/activate_this.py": b""}
    assert read_submission(PLACES[place](tmp_path, {**files, "hw/model.py": TEXT}))[0] == TEXT


@pytest.mark.parametrize("place", ["folder", "zip", "tar"])
def test_a_virtual_environment_costs_nothing(tmp_path: Path, place: str) -> None:
    packages = {f"venv/Lib/site-packages/p{i % 50}/{i}.py": b"" for i in range(21_000)}
    many = {f"data/{i}.png": b"" for i in range(1_000)}
    assert taken(PLACES[place](tmp_path, {"VAE_Model.py": TEXT, **packages, **many})) == TEXT


@pytest.mark.parametrize("place", ["folder", "zip", "tar"])
def test_a_deep_folder_costs_nothing(tmp_path: Path, place: str) -> None:
    assert taken(PLACES[place](tmp_path, {"VAE_Model.py": TEXT, "/".join("a" * 60) + "/x.txt": b""})) == TEXT


# ## What a file holds: Python's own rules, the same at home and officially (see `refusal`)
ACCEPTED = {
    "empty": b"",
    "no Python": b"This is my homework.\n",
    "UTF-8": "name = 'Jürgen σ 张伟'\n".encode(),
    "a byte order mark": b"\xef\xbb\xbfx = 1\n",
    "Windows' lines": b"x = 1\r\ny = 2\r\n",
    "old Mac's lines": b"x = 1\ry = 2\r",
    "Latin-1, and says so": "# -*- coding: latin-1 -*-\nname = 'Jürgen'\n".encode("latin-1"),
    "Latin-1 in a comment": "x = 1\n# für\n".encode("latin-1"),
    "the same in line two": "#!/usr/bin/env python\r\n# vim: set fileencoding=cp1252 :\r\n# für\r\n".encode("cp1252"),
}
REFUSED = {
    "UTF-16": ("x = 1\n".encode("utf-16"), "text in UTF-16: save the file in UTF-8"),
    "zeros": (bytes(1000), "line 1 of the file has a null byte: save it again as text in UTF-8"),
    "a null byte": (b"x = 1\ny = '\0'\n", "line 2 of the file has a null byte"),
    "notebook": (b'{\n "cells": [\n  {"execution_count": null}]}', "a Jupyter notebook: put your code into one file"),
    "Colab's notebook": (b'{"nbformat":4,"cells":[{"execution_count":null}]}', "a Jupyter notebook"),
    "zip": (b"PK\x03\x04" + bytes(2 << 20), "a zip archive or an office document, despite its name"),
    "gzip": (b"\x1f\x8b\x08\x00", "a gzip archive, despite its name"),
    "PDF": (b"%PDF-1.7\n", "a PDF document: hand in one VAE_Model.py"),
    "rich text": (b"{\\rtf1\\ansi x = 1}", "a rich text document: save the code as plain text"),
    "web page": (b"\n<!DOCTYPE html>\n", "a web page: download the file itself"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_python_reads_is_graded(tmp_path: Path, name: str) -> None:
    files = {"VAE_Model.py": ACCEPTED[name]}
    for number, make in enumerate(PLACES.values()):
        assert taken(make(laid_out(tmp_path / str(number), {}), files)) == ACCEPTED[name]
    path = laid_out(tmp_path / "x", files) / "VAE_Model.py"
    assert taken(path) == take(path, tmp_path).copy.read_bytes() == ACCEPTED[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_python_does_not_read_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    for number, make in enumerate(PLACES.values()):
        assert refusal(make(laid_out(tmp_path / str(number), {}), {"VAE_Model.py": content})).startswith(words)
    assert refusal(laid_out(tmp_path / "x", {"VAE_Model.py": content}) / "VAE_Model.py").startswith(words)
    with pytest.raises((SyntaxError, ValueError, NameError, UnicodeDecodeError)):
        exec(compile(content, "VAE_Model.py", "exec"), {})


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name != "no Python"])
def test_python_reads_what_is_accepted(name: str) -> None:
    compile(ACCEPTED[name], "VAE_Model.py", "exec")


@pytest.mark.parametrize("name", ["VAE_Model.ipynb", "hw3.ipynb"])
def test_a_notebook_is_named_as_one(tmp_path: Path, name: str) -> None:
    folder = laid_out(tmp_path / "x", {name: b'{"cells": [], "metadata": {}}' + b" " * (2 << 20)})
    assert "Jupyter notebook" in refusal(folder / name) and "notebook" not in refusal(folder)
    assert f" {name}:" in refusal(folder) and refusal(folder).endswith(HAND_IN)


# ## All entries
def collected(folder: Path, *reserved: str) -> list[Submission]:
    entries = listing(folder, folder / "out")
    return collect(entries, owners(entries, {}, {}), reserved, io.BytesIO())


def test_every_entry_becomes_a_submission(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.py").write_bytes(TEXT)
    zipped(tmp_path / "Good.zip", {"VAE_Model.py": TEXT})
    found = collected(tmp_path, "grades.csv")
    assert [(s.name, s.content, s.problem) for s in found] == [
        ("Good", TEXT, ""),
        ("empty", None, refusal(tmp_path / "empty")),
        ("good-2", TEXT, ""),
    ]
    assert found[0].sha256 == found[2].sha256
    assert "mine" not in repr(found), "a traceback or a log shows no submission"


def test_reasons_are_harmless_whatever_an_archive_says(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"\x1b[31mred/VAE_Model.py": TEXT, "b\u202e/VAE_Model.py": TEXT, "x" * 999: TEXT})
    (problem,) = [s.problem for s in collected(tmp_path)]
    assert "\x1b" not in problem and "\u202e" not in problem and len(problem) < 200


def test_the_file_that_was_taken_is_recorded(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"hw/vae_model.py": TEXT})
    zipped(tmp_path / "b.zip", {"hw/VAE_Model.py": TEXT})
    assert [s.handed_in.took for s in collected(tmp_path) if s.handed_in] == ["hw/vae_model.py", ""]


# ## What a class run wrote is no submission
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([".lock"], True),
        ([".lock", "secret"], True),
        ([".lock", "secret", "submissions.json"], True),
        (["grades.csv", "submissions.json", "index.html", "alice/results.json"], True),
        (["grades.csv", ".lock"], True),
        ([], False),
        (["grades.csv", "VAE_Model.py"], False),
        (["results.json", "report.html", "VAE_Model.py"], False),
        (["class-results/grades.csv", "class-results/submissions.json"], False),
    ],
)
def test_the_output_of_a_class_run_is_known_by_what_it_writes(tmp_path: Path, files: list[str], expected: bool) -> None:
    assert is_output(laid_out(tmp_path / "class-results", dict.fromkeys(files, b""))) is expected


def test_a_class_run_says_what_it_left_out_and_what_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    from grader.instructor.class_runs import class_run

    laid_out(tmp_path / "old-results", {"grades.csv": b"", "submissions.json": b""})
    zipped(tmp_path / "alice.zip", {"hw/vae_model.py": TEXT})
    (tmp_path / "bob.py").write_bytes(TEXT)
    settings: Any = SimpleNamespace(folder=tmp_path, out=tmp_path / "out", roster={}, roster_name="")
    assert [(s.name, s.problem) for s in class_run.read_entries(settings, io.BytesIO())[0]] == [
        ("alice", ""),
        ("bob", ""),
    ]
    left_out, took = capsys.readouterr().err.splitlines()
    assert left_out.startswith(f"{tmp_path / 'old-results'}: ")
    assert took.startswith("alice: ") and took.endswith(" hw/vae_model.py")
