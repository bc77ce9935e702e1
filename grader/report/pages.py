"""HTML pages: self-contained, escaped, and forbidden to load or run anything that is not theirs.

A page is one file: styles inline, the one script of our own allowed by its hash, everything else refused by a
Content-Security-Policy. Values reach templates as data and are escaped wherever they appear.
"""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: File in templates/.
        **values: What it shows; any text in them is escaped.

    Raises:
        jinja2.UndefinedError: The template asks for a value that is not there.
    """
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    environment.globals["script"] = script = Markup((_TEMPLATES / "index.js").read_text(encoding="utf-8"))
    environment.globals["script_hash"] = script_hash(script)
    environment.filters |= {"number": number, "percent": percent, "link": link}
    return environment


def script_hash(script: str) -> str:
    """Return what a Content-Security-Policy calls a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def number(value: float) -> str:
    """Return a number with two decimals at most, and a true minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}") if text != "-0" else "0"


def percent(share: float) -> str:
    """Return a share as percent; what is not quite nothing or everything is never shown as 0 or 100."""
    shown = round(100 * share)
    if 0 < share < 1:
        shown = min(max(shown, 1), 99)
    return f"{shown}\N{NO-BREAK SPACE}%"


def link(submission: str, page: str = "report.html") -> str:
    """Return the relative address of a page in a submission's folder."""
    return f"./{quote(submission, safe='')}/{page}"
