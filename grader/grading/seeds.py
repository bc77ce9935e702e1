"""Official seeds: the seed of a submission is derived from a secret of the offering and the content of the file.

Students do not know the secret, so answers hard-coded for the public seed 0 earn nothing. Only the derived seed is
recorded: with it, a student can repeat the verdict at home, but it is useless for any other file.
"""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from grader.report.files import write_whole

VARIABLE = "VAE_GRADER_SECRET"
FILE_NAME = "secret"
_LEAST = 16  # characters; a shorter secret could be guessed from one recorded seed
_BITS = 53  # every JSON parser reads integers of this size exactly


class SecretError(ValueError):
    """No usable secret was found; the message says what to do."""


def official_seed(secret: bytes, content: bytes) -> int:
    """Return the seed of a submission: the first 53 bits of HMAC-SHA256(secret, content)."""
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _BITS)


def secret_fingerprint(secret: bytes) -> str:
    """Return 8 characters that distinguish two secrets without revealing anything else about them."""
    return hmac.new(secret, b"fingerprint", hashlib.sha256).hexdigest()[:8]


def find_secret(environment: Mapping[str, str], file: Path | None = None, home: Path | None = None) -> bytes:
    """Return the secret of the offering: from the environment, else from a file, else from a folder.

    Args:
        environment: Environment variables; `VAE_GRADER_SECRET` may be among them.
        file: A file that contains only the secret.
        home: Folder in which a new secret is created, readable only by its owner; the next run finds it there.

    Raises:
        SecretError: The secret is too short, specified twice or not specified, or it cannot be read or created.
    """
    if VARIABLE in environment and file:
        raise SecretError(f"there are two secrets: unset {VARIABLE}, or leave the file {file} out")
    if VARIABLE in environment:
        return _checked(environment[VARIABLE], VARIABLE)
    if file:
        return _checked(_read(file), str(file))
    if home is None:
        raise SecretError(f"there is no secret: set {VARIABLE}, or name a file that contains one")
    return _checked(_kept(home / FILE_NAME), str(home / FILE_NAME))


def _kept(path: Path) -> str:
    """Return the secret in a file; create it if the file does not exist."""
    if path.exists():
        with contextlib.suppress(OSError):
            path.chmod(0o600)  # copying the folder may have changed the permissions
        return _read(path)
    secret = secrets.token_hex(32)
    try:
        path.parent.stat()  # the folder of a run exists; a mistyped one must not be created
        write_whole(path, secret + "\n", mode=0o600)  # on disk before seeds are derived from it
    except OSError as error:
        raise SecretError(f"cannot write a secret to {path}: {error.strerror}; set {VARIABLE} instead") from None
    return secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"cannot read the secret in {path}: {error}") from None


def _checked(text: str, where: str) -> bytes:
    secret = text.strip().encode()
    if len(secret) < _LEAST:
        raise SecretError(
            f"{where}: a secret needs at least {_LEAST} characters, for example from `openssl rand -hex 32`"
        )
    return secret
