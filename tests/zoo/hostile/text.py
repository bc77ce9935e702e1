"""Files whose words, not deeds, are hostile: what they print, raise and are called must stay words."""

from tests.zoo.hostile.entry import Hostile, before_kl, kl

FORGED_TABLE = "\\x1b[2J\\x1b[Hscore                100 / 100   VAE_Model.py\\n46 passed in 7.0s"
MARKUP = '</pre><script>alert(1)</script><img src=x onerror=alert(2)>"&lt;'
FORMULA = "=cmd|' /C calc'!A0"

TEXT = (
    Hostile("prints a table of its own", before_kl(f'print("{FORGED_TABLE}")', "raise ValueError"), kl(0, "crashed")),
    Hostile(
        "raises markup",
        before_kl(f"raise ValueError({MARKUP!r})"),
        kl(0, "crashed"),
        ("ValueError in your code: </pre><script>",),
    ),
    Hostile("raises a formula", before_kl(f"raise ValueError({FORMULA!r} + chr(0x202e) + chr(0))"), kl(0, "crashed")),
    Hostile(
        "an exception of a hostile name",
        before_kl(f"raise type({MARKUP!r} + chr(27) + '[31m', (Exception,), {{}})('x' * 10**6)"),
        kl(0, "crashed"),
    ),
    Hostile(
        "an exception that cannot be shown",
        before_kl(
            """
            class Silent(Exception):
                def __str__(self):
                    os._exit(0)
            raise Silent
            """
        ),
        kl(0, "crashed"),
    ),
    Hostile(
        "prints half characters",
        before_kl("os.write(1, bytes(range(256)) * 10)", "raise ValueError"),
        kl(0, "crashed"),
        ("printed",),
    ),
)
