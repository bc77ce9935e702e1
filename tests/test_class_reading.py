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

import pytest

from grader.classrun import archives, reading
from grader.classrun.archives import Refused
from grader.classrun.entries import Submission, collect, listing
from grader.classrun.owners import owners
from grader.classrun.reading import read

TEXT = b"# mine\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and special files")


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as raised:
        read(path)
    message = str(raised.value)
    assert "\n" not in message
    return message


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
    assert read(path) == TEXT


@pytest.mark.parametrize("inner", ["", "homework/", "a/b/c/"])
def test_a_folder_holds_one_file_at_any_depth(tmp_path: Path, inner: str) -> None:
    (tmp_path / "x" / inner).mkdir(parents=True, exist_ok=True)
    (tmp_path / "x" / inner / "VAE_Model.py").write_bytes(TEXT)
    (tmp_path / "x" / "torch.py").write_text("raise SystemExit")
    assert read(tmp_path / "x") == TEXT


@packed
@pytest.mark.parametrize("inner", ["", "homework/", "./", "a/b/c/"])
def test_an_archive_holds_one_file_at_any_depth(tmp_path: Path, kind: str, inner: str) -> None:
    members = {f"{inner}VAE_Model.py": TEXT, "torch.py": b"raise SystemExit", "data/x.mat": bytes(100_000)}
    assert read(pack(kind, tmp_path, members)) == TEXT


@packed
def test_what_macos_puts_beside_files_does_not_count(tmp_path: Path, kind: str) -> None:
    members = {
        "x/VAE_Model.py": TEXT,
        "__MACOSX/x/._VAE_Model.py": b"\x00",
        "__MACOSX/x/VAE_Model.py": b"\x00",
        "x/.ipynb_checkpoints/VAE_Model.py": b"old",
    }
    assert read(pack(kind, tmp_path, members)) == TEXT


# ## What is refused
@packed
def test_none_and_several_are_told(tmp_path: Path, kind: str) -> None:
    assert refusal(pack(kind, tmp_path, {"model.py": TEXT})) == "no VAE_Model.py in this archive"
    several = refusal(pack(kind, tmp_path, {"a/VAE_Model.py": TEXT, "b/VAE_Model.py": TEXT}))
    assert several == "2 files called VAE_Model.py in this archive: a/VAE_Model.py, b/VAE_Model.py"


def test_none_and_several_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x" / "a").mkdir(parents=True)
    assert refusal(tmp_path / "x") == "no VAE_Model.py in this folder"
    for inner in ("", "a/"):
        (tmp_path / "x" / inner / "VAE_Model.py").write_bytes(TEXT)
    assert "2 files" in refusal(tmp_path / "x")


def test_a_file_of_more_than_a_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_bytes(b"#" * (1 << 20))
    assert len(read(path)) == 1 << 20
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert refusal(path) == "VAE_Model.py is larger than 1,048,576 bytes"


@packed
def test_a_bomb_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    path = pack(kind, tmp_path, {"VAE_Model.py": bytes(64 << 20)})
    assert path.stat().st_size < 100_000
    assert refusal(path) == "VAE_Model.py is larger than 1,048,576 bytes"


def test_a_zip_that_lies_about_a_size_is_not_believed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"VAE_Model.py": bytes(8 << 20)})
    content = path.read_bytes()
    path.write_bytes(content.replace((8 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    assert refusal(path)


def test_a_tar_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 1 << 20)
    path = tarred(tmp_path / "a.tar.gz", {"data": bytes(4 << 20), "VAE_Model.py": TEXT})
    with path.open("rb") as stream, pytest.raises(Refused, match="too much"):
        archives.from_tar(stream, 1 << 20)


def test_a_zip_of_too_many_files(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {f"{i:x}": b"" for i in range(archives.MOST_MEMBERS + 1)})
    assert refusal(path) == "more than 20,000 files in the archive"


@packed
@pytest.mark.parametrize("path", ["../VAE_Model.py", "a/../../VAE_Model.py", "/VAE_Model.py", "C:/VAE_Model.py"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, kind: str, path: str) -> None:
    assert refusal(pack(kind, tmp_path, {path: TEXT})) == "a path in the archive leads out of it"


def test_a_path_that_leads_out_the_windows_way(tmp_path: Path) -> None:
    assert "leads out" in refusal(tarred(tmp_path / "a.tgz", {"..\\VAE_Model.py": TEXT}))


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    def zip_link(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16

    def tar_link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0

    def tar_hard_link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = tarfile.LNKTYPE, "other", 0

    expected = "VAE_Model.py in the archive is no regular file"
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
    assert refusal(tmp_path / "link.py") == "a symbolic link, which is not followed"
    assert refusal(tmp_path / "folder") == "VAE_Model.py is a symbolic link, which is not followed"
    assert refusal(tmp_path / "linked") == "a symbolic link, which is not followed"
    assert refusal(tmp_path / "inner") == "no VAE_Model.py in this folder"


@posix
def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "VAE_Model.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.py"))
        for name in ("fifo.py", "x", "s.py"):
            assert refusal(tmp_path / name) == "no regular file"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x05\x06" + bytes(18), b"\x1f\x8b\x08", b"PK\x03\x04" * 99]
)
def test_broken_archives_are_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(("no readable", "no VAE_Model.py"))


@packed
def test_truncated_archives_are_told(tmp_path: Path, kind: str) -> None:
    path = pack(kind, tmp_path, {"VAE_Model.py": os.urandom(50_000).hex().encode()})
    path.write_bytes(path.read_bytes()[:20_000])
    assert refusal(path).startswith("no readable")


def test_an_archive_that_ends_its_reader_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PROGRAM", tmp_path / "reader.py")
    (tmp_path / "reader.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert refusal(zipped(tmp_path / "a.zip", {"VAE_Model.py": TEXT})) == "the archive takes too much to read"


def test_what_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n\xff")
    assert refusal(tmp_path / "a.py") == "no UTF-8 text (byte 6)"


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    assert refusal(tmp_path / "a.txt") == "neither a .py file nor a folder, a .zip or a .tar.gz"


# ## All entries
def collected(folder: Path, *reserved: str) -> list[Submission]:
    entries = listing(folder, folder / "out")
    return collect(entries, owners(entries, {}, {}), reserved)


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
        ("empty", None, "no VAE_Model.py in this folder"),
        ("good-2", TEXT, ""),
    ]
    assert found[0].sha256 == found[2].sha256
    assert "mine" not in repr(found), "a traceback or a log shows no submission"


def test_reasons_are_harmless_whatever_an_archive_says(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"\x1b[31mred/VAE_Model.py": TEXT, "b\u202e/VAE_Model.py": TEXT, "x" * 999: TEXT})
    (problem,) = [s.problem for s in collected(tmp_path)]
    assert "\x1b" not in problem and "\u202e" not in problem and len(problem) < 200
