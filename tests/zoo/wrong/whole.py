"""Wrong files as a whole: mistakes that only a training run shows, or that it shows too."""

from ..entry import Wrong

_AFTER_INIT = "        self.to(device)\n"
_RESULTS = "return likelihood.mode(), likelihood.nll(x), posterior.kl()"


def _whole(name: str, new: str, diagnosis: str = "", old: str = _AFTER_INIT, falls: tuple[str, ...] = ()) -> Wrong:
    return Wrong("training", name, swaps=((old, new),), diagnosis=diagnosis, falls=("training", *falls))


WRONG = (
    _whole("a head frozen", f"        self.logvar.requires_grad_(False)\n{_AFTER_INIT}", "training_frozen"),
    _whole("a part never used", f"        self.spare = nn.Linear(z_dim, z_dim)\n{_AFTER_INIT}", "training_frozen"),
    _whole("decoder starts at zero", f"        for p in self.decoder.parameters():\n            nn.init.zeros_(p)\n{_AFTER_INIT}",
        "training_collapse", falls=("decoder",)),
    _whole("weights far too large", f"        for p in self.parameters():\n            p.data.mul_(1e4)\n{_AFTER_INIT}",
        "training_diverged"),
    _whole("no kl", "return likelihood.mode(), likelihood.nll(x), 0.0 * posterior.kl()", "training_no_kl", _RESULTS,
        ("forward",)),
    _whole("kl far too heavy", "return likelihood.mode(), likelihood.nll(x), 1000.0 * posterior.kl()",
        "training_collapse", _RESULTS, ("forward",)),
    _whole("sign of the loss", "return likelihood.mode(), -likelihood.nll(x), -posterior.kl()", "", _RESULTS,
        ("forward",)),
    _whole("nothing learns", "return likelihood.mode(), 1e-6 * likelihood.nll(x), 1e-6 * posterior.kl()", "", _RESULTS,
        ("forward",)),
    _whole("encoder sees one pixel", "return self.layers(x[:, :, :1, :1].expand_as(x))", "", "return self.layers(x)"),
    _whole("decoder sees one dimension of the code", "return self.layers(z[:, :1].expand_as(z))", "",
        "return self.layers(z)", ("training",)),
    _whole("encoder blurs all away", "return self.layers(nn.functional.avg_pool2d(x, 16).repeat_interleave(16, 2)"
        ".repeat_interleave(16, 3))", "", "return self.layers(x)"),
)  # fmt: skip
