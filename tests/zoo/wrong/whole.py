"""Wrong files as a whole: mistakes that only a training run shows, or that it shows too."""

from tests.zoo.entry import Wrong

_AFTER_INIT = "        self.to(device)\n"
_NLL, _KL = "likelihood.nll(x)", "posterior.kl()"
_COUNTED = "self.steps = getattr(self, 'steps', 0) + 1\n        "
_FIRST_UP = "            nn.ConvTranspose2d(8 * features, 4 * features, kernel_size=4, stride=2, padding=1),  # S / 8\n"
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
    _forward("sign of the loss", f"-{_NLL}", f"-{_KL}", "training_negative"),
    _forward("sign of kl", _NLL, f"-{_KL}", "training_negative"),
    _forward("mean squared error for nll", "((likelihood.mean - x) ** 2).flatten(1).mean(1)", _KL, "training_too_low"),
    _whole(
        "not finite from some step on",
        f"{_COUNTED}return likelihood.mode(), {_NLL} / (self.steps < 30), {_KL}",
        "training_diverged",
        _RESULTS,
    ),
    _forward("nll of another image", "likelihood.nll(x.roll(1, dims=0))", _KL, "training_collapse"),
    _forward("nll of the negative", "likelihood.nll(-x)", _KL, "training_other_loss"),
    _forward("nll of images in [0, 1]", "likelihood.nll((x + 1) / 2)", _KL, "training_other_loss"),
    _forward("nll at the mean code", "self.decode(posterior.mean).nll(x)", _KL, "training_other_loss"),
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
        "training_few_dimensions",
        "return self.layers(x)",
        ("encoder",),
    ),
    _whole(
        "decoder sees nothing", "return self.layers(0.0 * z)", "training_frozen", "return self.layers(z)", ("decoder",)
    ),
    *(
        _whole(f"images {name}", f"return {code}", "training_range", "return self.layers(z)")
        for name, code in {
            "that cannot be dark": "self.layers(z).relu()",
            "through a sigmoid": "self.layers(z).sigmoid()",
            "through a softplus": "nn.functional.softplus(self.layers(z))",
            "that cannot be bright": "-self.layers(z).relu()",
            "close to grey": "self.layers(z).sigmoid() * 0.4 - 0.2",
        }.items()
    ),
    _whole(
        "a channel that never varies",
        "image = self.layers(z)\n        return torch.cat([image[:, :2], 0.0 * image[:, 2:]], dim=1)",
        "training_channel",
        "return self.layers(z)",
        ("decoder",),
    ),
    _whole(
        "codes dropped in eval mode",
        "return self.layers(z if self.training else 0.0 * z)",
        "training_same_image",
        "return self.layers(z)",
        ("decoder",),
    ),
    _whole(
        "features dropped in eval mode",
        "return self.layers(x if self.training else 0.0 * x)",
        "training_other_loss",
        "return self.layers(x)",
        ("encoder",),
    ),
    _whole(
        "a white image encoded",
        "return self.layers(torch.ones_like(x))",
        "training_same_code",
        "return self.layers(x)",
        ("encoder",),
    ),
    _whole(
        "batch norm whose statistics stay as they were",
        "            nn.BatchNorm2d(8 * features, momentum=0.0),\n" + _FIRST_UP,
        "training_other_loss",
        _FIRST_UP,
    ),
    _whole(
        "weights thirty times too large",
        f"        for p in self.parameters():\n            p.data.mul_(30.0)\n{_AFTER_INIT}",
        "training_too_large",
    ),
    Wrong(
        "sample",
        "the given standard deviation changed to the variance",
        swaps=(("self.std = torch.exp(0.5 * self.logvar)", "self.std = torch.exp(self.logvar)"),),
        diagnosis="sample_var_for_std",
    ),
)
