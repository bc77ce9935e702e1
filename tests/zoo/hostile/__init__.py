"""Hostile submissions: points exactly as earned, a clear reason, and nothing left or changed."""

from tests.zoo.hostile.ends import ENDS
from tests.zoo.hostile.entry import JUDGED, Hostile
from tests.zoo.hostile.forgery import FORGERY
from tests.zoo.hostile.malformed import MALFORMED
from tests.zoo.hostile.network import NETWORK
from tests.zoo.hostile.siblings import INNOCENT, SIBLINGS
from tests.zoo.hostile.text import TEXT

HOSTILE: tuple[Hostile, ...] = (*ENDS, *FORGERY, *NETWORK, *TEXT, *MALFORMED, *SIBLINGS)

__all__ = ["HOSTILE", "INNOCENT", "JUDGED", "SIBLINGS", "Hostile"]
