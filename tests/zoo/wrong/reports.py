"""What reports say of entries."""

NAMES: dict[str, tuple[str, ...]] = {}
COMPUTES: dict[str, str] = {}
