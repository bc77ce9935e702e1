"""Wrong answers to `encode`."""

from tests.zoo.entry import Wrong


def _heads(name: str, mean: str, logvar: str, diagnosis: str = "", hidden: str = "self.encoder(x)") -> Wrong:
    answer = f"hidden = {hidden}\nreturn DiagonalGaussianDistribution({mean}, {logvar})"
    return Wrong("encode", name, answer, diagnosis=diagnosis)


_MEAN, _LOGVAR = "self.mean(hidden)", "self.logvar(hidden)"

WRONG = (
    _heads("heads swapped", _LOGVAR, _MEAN, "encode_swapped_heads"),
    _heads("no log-variance", _MEAN, "None", "encode_no_logvar"),
    _heads("one head for both", _MEAN, _MEAN, "encode_same_head"),
    _heads("variance for log-variance", _MEAN, f"{_LOGVAR}.exp()", "encode_var_as_logvar"),
    _heads("logarithm of the head", _MEAN, f"{_LOGVAR}.log()", "encode_log_of_var"),
    _heads("head doubled", _MEAN, f"2.0 * {_LOGVAR}", "encode_logvar_doubled"),
    _heads("mean through tanh", f"{_MEAN}.tanh()", _LOGVAR, "encode_tanh_mean"),
    _heads("std for log-variance", _MEAN, f"torch.exp(0.5 * {_LOGVAR})"),
    _heads("log-variance through softplus", _MEAN, f"nn.functional.softplus({_LOGVAR})"),
    _heads("log-variance clamped", _MEAN, f"{_LOGVAR}.clamp(-6.0, 6.0)"),
    _heads("hidden through relu", _MEAN, _LOGVAR, hidden="self.encoder(x).relu()"),
    _heads("batch mixed in", _MEAN, _LOGVAR, hidden="self.encoder(x) - self.encoder(x).mean(0, keepdim=True)"),
    _heads(
        "right for one image only", _MEAN, _LOGVAR, hidden="self.encoder(x).mean(0, keepdim=True).expand(len(x), -1)"
    ),
    _heads(
        "right in eval mode only", _MEAN, _LOGVAR, hidden="nn.functional.dropout(self.encoder(x), 0.5, self.training)"
    ),
    _heads("right in train mode only", _MEAN, f"{_LOGVAR} if self.training else None", "encode_no_logvar"),
    _heads(
        "hidden shifted", _MEAN, _LOGVAR, hidden="nn.functional.layer_norm(self.encoder(x), [self.mean.in_features])"
    ),
    _heads("scaled again", _MEAN, _LOGVAR, hidden="self.encoder(x / 127.5 - 1.0)"),
    _heads("bfloat16 inside", _MEAN, _LOGVAR, hidden="self.encoder(x).bfloat16().to(x.dtype)"),
    _heads("float32 only", _MEAN, _LOGVAR, hidden="self.encoder(x.float())"),
    _heads("squeezed", f"{_MEAN}.squeeze()", f"{_LOGVAR}.squeeze()"),
    _heads("hidden detached", _MEAN, _LOGVAR, "gradient_cut", "self.encoder(x).detach()"),
    _heads("log-variance detached", _MEAN, f"{_LOGVAR}.detach()", "gradient_cut"),
    Wrong(
        "encode",
        "no_grad",
        "with torch.no_grad():\n    hidden = self.encoder(x)\n"
        "    return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "encode",
        "x changed in place",
        "hidden = self.encoder(x.detach().clamp_(-0.5, 0.5))\n"
        "return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
        also=("in_place_change",),
    ),
    Wrong("encode", "a pair of tensors", "hidden = self.encoder(x)\nreturn self.mean(hidden), self.logvar(hidden)"),
    Wrong(
        "encode",
        "a sample",
        "hidden = self.encoder(x)\n"
        "return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden)).sample()",
    ),
    Wrong(
        "encode",
        "nothing returned",
        "hidden = self.encoder(x)\nDiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
    ),
    Wrong(
        "encode",
        "a head made anew",
        "hidden = self.encoder(x)\n"
        "logvar = nn.Linear(hidden.shape[1], self.z_dim).to(x.dtype)\n"
        "return DiagonalGaussianDistribution(self.mean(hidden), logvar(hidden))",
    ),
    Wrong(
        "encode",
        "remembered from the first call",
        "hidden = self.encoder(x)\n"
        "made = DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))\n"
        "self.made = getattr(self, 'made', None) or made\nreturn self.made",
    ),
    *(
        Wrong(
            "encode",
            f"heads of another name, {name}",
            f"hidden = self.encoder(x)\nreturn DiagonalGaussianDistribution({posterior})",
            swaps=(("        self.to(device)\n", f"        self.moments = {layers}\n        self.to(device)\n"),),
            falls=("encode", "training"),  # what is called self.mean and self.logvar is never trained
        )
        for name, posterior, layers in (
            (
                "one for both",
                "self.moments(hidden), self.moments(hidden)",
                "nn.Linear(self.encoder.out_features, z_dim)",
            ),
            (
                "bent",
                "*self.moments(hidden).tanh().chunk(2, dim=1)",
                "nn.Linear(self.encoder.out_features, 2 * z_dim)",
            ),
        )
    ),
    Wrong("encode", "a method of another name", swaps=(("    def encode(self", "    def encoding(self"),)),
    _heads("log-variance clamped late", _MEAN, f"{_LOGVAR}.clamp(-20.0, 20.0)"),
    _heads("head halved", _MEAN, f"0.5 * {_LOGVAR}", "encode_logvar_halved"),
    Wrong(
        "encode",
        "a learned scale, one at first",
        f"hidden = self.encoder(x)\nreturn DiagonalGaussianDistribution(self.scale * {_MEAN}, {_LOGVAR})",
        swaps=(
            (
                "        self.to(device)\n",
                "        self.scale = nn.Parameter(torch.ones(()))\n        self.to(device)\n",
            ),
        ),
    ),
)
