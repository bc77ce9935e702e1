"""Official seeds and the secret behind them."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from grader.grading import seeds
from grader.grading.seeds import SecretError, find_secret, official_seed

SECRET = b"a secret of the offering"


def test_a_seed_is_the_hmac_of_the_content() -> None:
    digest = hmac.new(SECRET, b"content", hashlib.sha256).hexdigest()
    assert official_seed(SECRET, b"content") == int(digest, 16) >> (256 - 53)


def test_a_seed_follows_from_secret_and_content_alone() -> None:
    assert official_seed(SECRET, b"a") == official_seed(SECRET, b"a")
    assert official_seed(SECRET, b"a") != official_seed(SECRET, b"a\n")
    assert official_seed(SECRET, b"a") != official_seed(SECRET + b"!", b"a")


def test_seeds_fill_what_json_keeps_exactly() -> None:
    drawn = [official_seed(SECRET, str(i).encode()) for i in range(1000)]
    assert all(0 <= seed == int(float(seed)) < 2**53 for seed in drawn)
    assert len(set(drawn)) == 1000 and max(drawn) > 2**52


# ## Where the secret comes from
def test_the_environment_has_it(tmp_path: Path) -> None:
    assert find_secret({seeds.VARIABLE: " from the environment\n"}, None, tmp_path) == b"from the environment"
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a secret from a file\n")
    assert find_secret({}, tmp_path / "key", tmp_path / "none") == b"a secret from a file"


def test_without_either_one_is_made_and_found_again(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made = find_secret({}, None, tmp_path)
    assert len(made) == 64
    assert find_secret({}, None, tmp_path) == made
    assert find_secret({}, None, tmp_path / "other") != made


def test_only_its_owner_can_read_what_was_made(tmp_path: Path) -> None:
    find_secret({}, None, tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    (tmp_path / "secret").chmod(0o644)
    find_secret({}, None, tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("1234")
    cases = [
        ({seeds.VARIABLE: "short"}, None, tmp_path),
        ({}, tmp_path / "short", None),
        ({}, tmp_path / "none", None),
        ({}, tmp_path, None),
        ({}, None, None),
        ({seeds.VARIABLE: SECRET.decode()}, tmp_path / "short", None),
        ({}, None, tmp_path / "no such folder"),
    ]
    for environment, file, home in cases:
        with pytest.raises(SecretError) as raised:
            find_secret(environment, file, home)
        assert "\n" not in str(raised.value)
