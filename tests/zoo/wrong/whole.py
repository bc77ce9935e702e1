"""Wrong files as a whole: mistakes that only a training run shows, or that it shows too."""

from ..entry import Wrong

_AFTER_INIT = "        self.to(device)\n"
_NLL, _KL = "likelihood.nll(x)", "posterior.kl()"
_RESULTS = "return likelihood.mode(), likelihood.nll(x), posterior.kl()"


def _whole(name: str, new: str, diagnosis: str = "", old: str = _AFTER_INIT, falls: tuple[str, ...] = ()) -> Wrong:
    return Wrong("training", name, swaps=((old, new),), diagnosis=diagnosis, falls=("training", *falls))


def _forward(name: str, nll: str, kl: str, diagnosis: str = "") -> Wrong:
    return _whole(name, f"return likelihood.mode(), {nll}, {kl}", diagnosis, _RESULTS, ("forward",))


WRONG = (
    _whole("a head frozen", f"        self.logvar.requires_grad_(False)\n{_AFTER_INIT}", "training_frozen"),
    _whole(
        "decoder starts at zero",
        f"        for p in self.decoder.parameters():\n            nn.init.zeros_(p)\n{_AFTER_INIT}",
        "training_frozen",
        falls=("decoder",),
    ),
    _whole(
        "weights far too large",
        f"        for p in self.parameters():\n            p.data.mul_(1e4)\n{_AFTER_INIT}",
        "training_diverged",
    ),
    _forward("no kl", _NLL, f"0.0 * {_KL}", "training_no_kl"),
    _forward("kl far too light", _NLL, f"0.001 * {_KL}", "training_no_kl"),
    _forward("kl far too heavy", _NLL, f"1000.0 * {_KL}", "training_collapse"),
    _forward("sign of the loss", f"-{_NLL}", f"-{_KL}"),
    _forward("nll of another image", "likelihood.nll(x.roll(1, dims=0))", _KL, "training_collapse"),
    _forward("nll of the negative", "likelihood.nll(-x)", _KL),
    _forward("decoder learns nothing", f"{_NLL}.detach()", _KL, "training_frozen"),
    Wrong(
        "training",
        "weights drawn anew at every step",
        swaps=(
            (
                _RESULTS,
                "for module in self.modules():\n            if hasattr(module, 'reset_parameters'):\n"
                f"                module.reset_parameters()\n        {_RESULTS}",
            ),
        ),
        also=("forward_noise_ignored",),  # two calls with the same noise differ, now and then
        falls=("training", "forward"),
    ),
    _whole(
        "gradients replaced by noise",
        f"        for p in self.parameters():\n            p.register_hook(torch.randn_like)\n{_AFTER_INIT}",
        "training_no_learning",
    ),
    _whole(
        "encoder sees one pixel",
        "return self.layers(x[:, :, :1, :1].expand_as(x))",
        "",
        "return self.layers(x)",
        ("encoder",),
    ),
    _whole(
        "decoder sees nothing", "return self.layers(0.0 * z)", "training_frozen", "return self.layers(z)", ("decoder",)
    ),
    _whole("images that cannot be dark", "return self.layers(z).relu()", "", "return self.layers(z)"),
    Wrong(
        "sample",
        "the given standard deviation changed to the variance",
        swaps=(("self.std = torch.exp(0.5 * self.logvar)", "self.std = torch.exp(self.logvar)"),),
        diagnosis="sample_var_for_std",
        falls=("sample", "log_likelihood"),  # the two that read it
    ),
)
