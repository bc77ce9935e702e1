"""The runtime type checker behind jaxtyping's shape checks."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int will do where a float is asked for
