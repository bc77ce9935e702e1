"""Files that are no solution, or no Python."""

from tests.zoo.hostile.entry import RIGHT, Hostile, file, kl, none

_NO_KL = file().replace("    def kl(self)", "    def divergence(self)")
_OTHER_KL = file().replace("def kl(self)", "def kl(self, prior)")

MALFORMED = (
    Hostile("empty", b"", none("failed"), ("DiagonalGaussianDistribution",)),
    Hostile("bytes", bytes(range(256)) * 16, {}),  # refused before they are graded: Python reads no null bytes
    Hostile("bytes of zero", b"\0" * 1000, {}),
    Hostile("no Python", "This is my homework.\n", none("crashed"), ("SyntaxError",)),
    Hostile("parentheses without end", "(" * 200_000, none("crashed"), ("while your file was imported",)),
    Hostile("a number without end", "x = " + "9" * 500_000, none("crashed"), ("while your file was imported",)),
    Hostile("no class", "import torch\n", none("failed"), ("`DiagonalGaussianDistribution`",)),
    Hostile("no method", _NO_KL, kl(0, "failed"), ("has no method `kl`",)),
    Hostile("another signature", _OTHER_KL, kl(0, "crashed"), ("TypeError",)),
    Hostile("a missing module", "import numpyy\n" + file(), none("crashed"), ("No module named 'numpyy'",)),
    Hostile(
        "a class that is none",
        file("DiagonalGaussianDistribution = 7").replace("class DiagonalGaussianDistribution:", "class Hidden:"),
        none("crashed"),
    ),
    Hostile(
        "kl that is no function", file() + "\nDiagonalGaussianDistribution.kl = 7\n", kl(0, "failed"), ("no method",)
    ),
    Hostile("None", file(of_kl="self.mean.sum()\nreturn None"), kl(0, "failed"), ("kl() returned None",)),
    Hostile("None alone", file(of_kl="return None"), kl(0, "not attempted")),
    Hostile("a number", file(of_kl=RIGHT["kl"] + ".sum().item()"), kl(0, "failed"), ("type float",)),
)
