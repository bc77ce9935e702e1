"""Wrong answers to `forward`."""

from tests.zoo.entry import Wrong

_MODE, _NLL, _KL = "likelihood.mode()", "likelihood.nll(x)", "posterior.kl()"


def _results(name: str, reconstruction: str = _MODE, nll: str = _NLL, kl: str = _KL, diagnosis: str = "") -> Wrong:
    return _code(name, "posterior.sample(noise)", f"return {reconstruction}, {nll}, {kl}", diagnosis)


def _code(name: str, z: str, last: str = f"return {_MODE}, {_NLL}, {_KL}", diagnosis: str = "") -> Wrong:
    answer = f"posterior = self.encode(x)\nlikelihood = self.decode({z})\n{last}"
    return Wrong("forward", name, answer, diagnosis=diagnosis)


WRONG = (
    _results("nll and kl swapped", nll=_KL, kl=_NLL, diagnosis="forward_swapped"),
    _code("posterior mode decoded", "posterior.mode()", diagnosis="forward_mean_decoded"),
    _code("given noise not used", "posterior.sample()", diagnosis="forward_noise_ignored"),
    _code(
        "noise decoded",
        "torch.randn(len(x), self.z_dim) if noise is None else noise",
        diagnosis="forward_prior_decoded",
    ),
    _results(
        "batch averages, expanded",
        nll=f"{_NLL}.mean().expand(len(x))",
        kl=f"{_KL}.mean().expand(len(x))",
        diagnosis="forward_averaged",
    ),
    _results("averaged over the batch", nll=f"{_NLL}.mean()", kl=f"{_KL}.mean()"),
    _results("averaged over pixels", nll=f"{_NLL} / x[0].numel()", diagnosis="forward_mean_over_pixels"),
    _results("log-likelihood for nll", nll=f"-{_NLL}", diagnosis="forward_negated_nll"),
    _results("a draw of the pixels", "likelihood.sample()", diagnosis="forward_sampled_pixels"),
    _results("x as reconstruction", "x", diagnosis="forward_reconstruction_is_x"),
    _results(
        "nll of the reconstruction", nll="likelihood.nll(likelihood.mode())", diagnosis="forward_nll_of_reconstruction"
    ),
    _results(
        "squared error for nll", nll="((x - likelihood.mode()) ** 2).sum((1, 2, 3))", diagnosis="forward_squared_error"
    ),
    _results(
        "cross-entropy for nll",
        nll="nn.functional.binary_cross_entropy_with_logits("
        "likelihood.mode(), x / 2 + 0.5, reduction='none').sum((1, 2, 3))",
    ),
    _results("weighted, as in a beta-VAE", kl=f"4.0 * {_KL}"),
    _results("kl per pixel", kl=f"{_KL} / x[0].numel()"),
    _results("the loss added up", nll=f"{_NLL} + {_KL}"),
    _results("clamped reconstruction", "likelihood.mode().clamp(-1.0, 1.0)"),
    _results("bent in eval mode", f"{_MODE} if self.training else {_MODE}.sin()", diagnosis="right_only_in_train"),
    _results("a distribution", "likelihood"),
    _results("dimension kept", nll=f"{_NLL}[:, None]", kl=f"{_KL}[:, None]"),
    _results("squeezed", nll=f"{_NLL}.squeeze()", kl=f"{_KL}.squeeze()"),
    _code("two results", "posterior.sample(noise)", f"return {_MODE}, {_NLL} + {_KL}"),
    _code("a dictionary", "posterior.sample(noise)", f"return dict(x={_MODE}, nll={_NLL}, kl={_KL})"),
    _code(
        "another draw for the nll",
        "posterior.sample(noise)",
        f"return {_MODE}, self.decode(posterior.sample(noise)).nll(x), {_KL}",
    ),
    _code(
        "right in train mode only",
        "posterior.sample(noise) if self.training else posterior.mode()",
        diagnosis="forward_mean_decoded",
    ),
    _code(
        "right in eval mode only",
        "posterior.mode() if self.training else posterior.sample(noise)",
        diagnosis="forward_mean_decoded",
    ),
    _code(
        "no noise unless given",
        "posterior.mode() if noise is None else posterior.sample(noise)",
        diagnosis="forward_mean_decoded",
    ),
    _code(
        "one noise for the batch",
        "posterior.sample(torch.randn(1, self.z_dim).expand(len(x), -1) if noise is None else noise)",
        diagnosis="noise_not_fresh",
    ),
    _code(
        "noise drawn once",
        "posterior.sample(self.__dict__.setdefault('drawn', torch.randn(len(x), self.z_dim)) "
        "if noise is None else noise)",
        diagnosis="noise_not_fresh",
    ),
    _code(
        "sampled twice", "posterior.sample(noise) + torch.randn(len(x), self.z_dim)", diagnosis="forward_noise_ignored"
    ),
    _code("code detached", "posterior.sample(noise).detach()", diagnosis="gradient_cut"),
    _results("kl detached", kl=f"{_KL}.detach()", diagnosis="gradient_cut"),
    _results("nll by .data", nll=f"{_NLL}.data", diagnosis="gradient_cut"),
    _results("reconstruction detached", f"{_MODE}.detach()", diagnosis="gradient_cut"),
    Wrong(
        "forward",
        "posterior under no_grad",
        "with torch.no_grad():\n    posterior = self.encode(x)\n"
        f"likelihood = self.decode(posterior.sample(noise))\nreturn {_MODE}, {_NLL}, {_KL}",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "forward",
        "scaled again",
        "x = x / 127.5 - 1.0\nposterior = self.encode(x)\n"
        f"likelihood = self.decode(posterior.sample(noise))\nreturn {_MODE}, {_NLL}, {_KL}",
    ),
    Wrong(
        "forward",
        "x changed in place",
        "x.data.clamp_(-0.99, 0.99)\nposterior = self.encode(x)\n"
        f"likelihood = self.decode(posterior.sample(noise))\nreturn {_MODE}, {_NLL}, {_KL}",
        also=("in_place_change",),
    ),
    _results("bfloat16 inside", nll=f"{_NLL}.bfloat16().float()"),
    _results("float64 out", nll=f"{_NLL}.double()"),
    Wrong(
        "forward",
        "a method of another name",
        swaps=(("    def forward(\n        self, x", "    def run(\n        self, x"),),
    ),
    _code(
        "remembered from the first call",
        "posterior.sample(noise)",
        f"self.made = getattr(self, 'made', None) or ({_MODE}, {_NLL}, {_KL})\nreturn self.made",
    ),
    _results(
        "half squared error for nll",
        nll=f"0.5 * ((x - {_MODE}) ** 2).sum((1, 2, 3))",
        diagnosis="forward_half_squared_error",
    ),
    _code(
        "variance for std",
        "posterior.mean + posterior.var * (torch.randn_like(posterior.mean) if noise is None else noise)",
        diagnosis="forward_var_for_std",
    ),
    _code(
        "log-variance clamped",
        "DiagonalGaussianDistribution(posterior.mean, posterior.logvar.clamp(-10.0, 10.0)).sample(noise)",
    ),
    _results("free bits of an image", kl=f"{_KL}.clamp(min=2.0)"),
    Wrong(
        "forward",
        "a learned weight of kl, one at first",
        f"posterior = self.encode(x)\nlikelihood = self.decode(posterior.sample(noise))\n"
        f"return {_MODE}, {_NLL}, self.beta * {_KL}",
        swaps=(
            (
                "        self.to(device)\n",
                "        self.beta = nn.Parameter(torch.ones(()))\n        self.to(device)\n",
            ),
        ),
    ),
    _code("eval mode left behind", "self.eval() and posterior.sample(noise)", diagnosis="model_left_switched"),
    _code("the loss first", "posterior.sample(noise)", f"return ({_NLL} + {_KL}).mean(), {_MODE}, {_KL}"),
)
