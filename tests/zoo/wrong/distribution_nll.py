"""Wrong answers to `nll`."""

from tests.zoo.entry import Wrong

_LOG_2_PI = "math.log(2.0 * math.pi)"


def _half(name: str, terms: str, diagnosis: str = "", before: str = "") -> Wrong:
    error = f"{before}error = sample - self.mean\n"
    return Wrong("nll", name, f"{error}return 0.5 * torch.sum({terms}, dim=tuple(dims))", diagnosis=diagnosis)


def _whole(name: str, result: str, diagnosis: str = "", before: str = "") -> Wrong:
    terms = f"{before}terms = 0.5 * ({_LOG_2_PI} + self.logvar + (sample - self.mean) ** 2 / self.var)\n"
    return Wrong("nll", name, f"{terms}return {result}", diagnosis=diagnosis)


WRONG = (
    _half("no constant", "self.logvar + error**2 / self.var", "nll_no_constant"),
    _whole("half forgotten", "2 * terms.sum(tuple(dims))", "nll_no_half"),
    _whole("the log-density", "-terms.sum(tuple(dims))", "nll_negated"),
    _half("no log-variance", f"{_LOG_2_PI} + error**2 / self.var", "nll_no_logvar"),
    _half("std for var", f"{_LOG_2_PI} + self.logvar + error**2 / self.std", "nll_std_for_var"),
    _half("right for unit variance only", f"{_LOG_2_PI} + self.logvar + error**2", "nll_no_var"),
    _half("log-variance not halved", f"{_LOG_2_PI} + 2 * self.logvar + error**2 / self.var", "nll_logvar_no_half"),
    _half("constant not halved", f"2 * {_LOG_2_PI} + self.logvar + error**2 / self.var", "nll_constant_no_half"),
    Wrong(
        "nll",
        "constant once",
        f"square = (sample - self.mean) ** 2\n"
        f"return 0.5 * ({_LOG_2_PI} + torch.sum(self.logvar + square / self.var, dim=tuple(dims)))",
        diagnosis="nll_constant_once",
    ),
    _whole("averaged over dimensions", "terms.mean(tuple(dims))", "nll_mean_over_dims"),
    _half("squared error", "2 * error**2", "nll_squared_error"),
    _half("half squared error", "error**2", "nll_half_squared_error"),
    _half("minus log-variance", f"{_LOG_2_PI} - self.logvar + error**2 / self.var", "nll_logvar_minus"),
    _half("error not squared", f"{_LOG_2_PI} + self.logvar + error / self.var", "nll_error_not_squared"),
    _half("times the variance", f"{_LOG_2_PI} + self.logvar + error**2 * self.var", "nll_var_multiplied"),
    _half("log pi", "math.log(math.pi) + self.logvar + error**2 / self.var", "nll_pi_once"),
    _half("absolute error", f"{_LOG_2_PI} + self.logvar + error.abs() / self.var"),
    _half("right for mean zero only", f"{_LOG_2_PI} + self.logvar + sample**2 / self.var"),
    _half("epsilon beside the variance", f"{_LOG_2_PI} + self.logvar + error**2 / (self.var + 1e-3)"),
    _half("error clamped", f"{_LOG_2_PI} + self.logvar + error.clamp(-3, 3) ** 2 / self.var"),
    _half("sample clamped", f"{_LOG_2_PI} + self.logvar + error**2 / self.var", "", "sample = sample.clamp(-1, 1)\n"),
    Wrong(
        "nll",
        "logarithm of a product of densities",
        "density = torch.exp(-0.5 * ((sample - self.mean) / self.std) ** 2) / (self.std * math.sqrt(2 * math.pi))\n"
        "for dim in sorted(dims, reverse=True):\n"
        "    density = density.prod(dim)\n"
        "return -density.log()",
    ),
    Wrong(
        "nll",
        "logarithm of each density",
        "density = torch.exp(-0.5 * ((sample - self.mean) / self.std) ** 2) / (self.std * math.sqrt(2 * math.pi))\n"
        "return -density.log().sum(tuple(dims))",
    ),
    # Dimensions
    _whole("dims ignored: images only", "terms.sum((1, 2, 3))"),
    _whole("dims ignored: all but the batch", "terms.flatten(1).sum(1)"),
    _whole("summed over the batch too", "terms.sum()"),
    _whole(
        "right for one row only", "terms.sum(tuple(dims)).mean(0, keepdim=True).expand(*terms.sum(tuple(dims)).shape)"
    ),
    _whole("squeezed", "terms.sum(tuple(dims)).squeeze()"),
    _whole("dimensions kept", "terms.sum(tuple(dims), keepdim=True)"),
    Wrong(
        "nll",
        "right for 3 x 32 x 32 only",
        "square = (sample - self.mean) ** 2\n"
        f"return 0.5 * (3072 * {_LOG_2_PI} + torch.sum(self.logvar + square / self.var, dim=tuple(dims)))",
    ),
    # Gradients
    _half(
        "mean detached", f"{_LOG_2_PI} + self.logvar + (sample - self.mean.detach()) ** 2 / self.var", "gradient_cut"
    ),
    _half("sample detached", f"{_LOG_2_PI} + self.logvar + (sample.data - self.mean) ** 2 / self.var", "gradient_cut"),
    _half("variance detached", f"{_LOG_2_PI} + self.logvar + error**2 / self.var.detach()"),
    _whole("no_grad", "torch.no_grad()(lambda: terms.sum(tuple(dims)).clone())().detach()", "gradient_cut"),
    # Forms
    _half(
        "sample changed in place",
        f"{_LOG_2_PI} + self.logvar + sample**2 / self.var",
        "in_place_change",
        "sample -= self.mean\n",
    ),
    _half(
        "variance changed in place", f"{_LOG_2_PI} + self.logvar + error**2 / self.var.add_(1e-9)", "in_place_change"
    ),
    _whole("float16 inside", "terms.half().sum(tuple(dims)).to(terms.dtype)"),
    _whole("bfloat16 inside", "terms.bfloat16().sum(tuple(dims)).to(terms.dtype)"),
    _whole("always float32", "terms.float().sum(tuple(dims))"),
    _whole(
        "right for contiguous tensors only",
        "terms.as_strided(terms.shape, torch.empty(terms.shape).stride()).sum(tuple(dims))",
    ),
    _whole(
        "right at the first call only",
        "terms.sum(tuple(dims)) + self.calls",
        "",
        "self.calls = getattr(self, 'calls', -1) + 1\n",
    ),
    Wrong("nll", "a method of another name", swaps=(("    def nll(self", "    def log_prob(self"),)),
    # Right for moderate numbers
    Wrong(
        "nll",
        "the loss of torch.nn with its own epsilon",
        "terms = nn.functional.gaussian_nll_loss(self.mean, sample, self.var, full=True, reduction='none')\n"
        "return terms.sum(tuple(dims))",
    ),
    _half("a small epsilon beside the variance", f"{_LOG_2_PI} + self.logvar + error**2 / (self.var + 1e-8)"),
    _whole("floored at zero", "terms.sum(tuple(dims)).clamp(min=0.0)"),
    # Other things
    Wrong(
        "nll",
        "dims used up",
        f"terms = 0.5 * ({_LOG_2_PI} + self.logvar + (sample - self.mean) ** 2 / self.var)\n"
        "while dims:\n    terms = terms.sum(dims.pop())\nreturn terms",
        swaps=(("dims: Sequence[int] = (1, 2, 3)", "dims=[1, 2, 3]"),),
        diagnosis="in_place_change",
    ),
    Wrong(
        "nll",
        "no constant, and kl by nll",
        "return 0.5 * torch.sum(self.logvar + (sample - self.mean) ** 2 / self.var, dim=tuple(dims))",
        swaps=(
            (
                "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)",
                "prior = DiagonalGaussianDistribution(torch.zeros_like(self.mean))\n"
                "        entropy = 0.5 * (1.0 + math.log(2.0 * math.pi) + self.logvar).sum(dim=1)\n"
                "        return prior.nll(self.mean, dims=[1]) + 0.5 * self.var.sum(dim=1) - entropy",
            ),
        ),
        diagnosis="nll_no_constant",
    ),
)
