"""Hostile submissions: points exactly as earned, a clear reason, and nothing left or changed."""

from .ends import ENDS
from .entry import JUDGED, Hostile
from .forgery import FORGERY
from .malformed import MALFORMED
from .network import NETWORK
from .text import TEXT

HOSTILE: tuple[Hostile, ...] = (*ENDS, *FORGERY, *NETWORK, *TEXT, *MALFORMED)

__all__ = ["HOSTILE", "JUDGED", "Hostile"]
