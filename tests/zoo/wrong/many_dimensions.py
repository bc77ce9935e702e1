"""Wrong answers that multiply before they take a logarithm: right for a few dimensions, 0 or infinite for many."""

from tests.zoo.entry import Wrong
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_ERROR = "square = ((sample - self.mean) ** 2 / self.var).sum(tuple(dims))\n"
_LOG_2_PI = "math.log(2.0 * math.pi)"


def _kl(name: str, log_det: str) -> Wrong:
    return Wrong("kl", name, f"return 0.5 * ((self.mean**2 + self.var - 1.0).sum(dim=1) - {log_det})")


def _product(name: str, factor: str, result: str) -> Wrong:
    """Return an nll that multiplies `factor` over all dims."""
    product = f"product = {factor}\nfor dim in sorted(dims, reverse=True):\n    product = product.prod(dim)\n"
    return Wrong("nll", name, f"{_ERROR}{product}return {result}")


def _forward(name: str, log_det: str) -> Wrong:
    answer = f"""
q = self.encode(x)
likelihood = self.decode(q.sample(noise))
kl = 0.5 * ((q.mean**2 + q.var - 1.0).sum(dim=1) - {log_det})
return likelihood.mode(), likelihood.nll(x), kl
"""
    return Wrong("forward", name, answer.strip())


def _log_likelihood(name: str, line: str, instead: str) -> Wrong:
    assert PLAIN.count(line) == 1
    return Wrong("log_likelihood", name, PLAIN.replace(line, instead).strip(), also=("log_likelihood_underflow",))


_LOG_DET = "0.5 * q.logvar.repeat(K, 1).sum(dim=1)"
_LOG_QZ = f"log_qz = -unit.nll(noise, dims=[1]) - {_LOG_DET}"

WRONG = (
    _kl("logarithm of the product of variances", "torch.log(self.var.prod(dim=1))"),
    _kl("logarithm of the product of stds", "2.0 * torch.log(self.std.prod(dim=1))"),
    _kl("logarithm of a determinant", "torch.log(torch.det(torch.diag_embed(self.var)))"),
    _kl("logarithm of a running product", "self.var.cumprod(dim=1)[:, -1].log()"),
    _product(
        "logarithm of the product of variances",
        "self.var",
        f"0.5 * (torch.log(product) + square + {_LOG_2_PI} * torch.ones_like(self.mean).sum(tuple(dims)))",
    ),
    _product(
        "logarithm of the product of stds",
        "self.std",
        f"torch.log(product) + 0.5 * (square + {_LOG_2_PI} * torch.ones_like(self.mean).sum(tuple(dims)))",
    ),
    _product(
        "logarithm of the normalising factor",
        "self.std * math.sqrt(2.0 * math.pi)",
        "torch.log(product) + 0.5 * square",
    ),
    _product(
        "minus logarithm of the normalising factor",
        "1.0 / torch.sqrt(2.0 * math.pi * self.var)",
        "0.5 * square - torch.log(product)",
    ),
    Wrong(
        "nll",
        "logarithm of a determinant for codes",
        f"{_ERROR}constant = {_LOG_2_PI} * torch.ones_like(self.mean).sum(tuple(dims))\n"
        "if self.var.dim() == 2 and tuple(dims) == (1,):\n"
        "    return 0.5 * (torch.log(torch.det(torch.diag_embed(self.var))) + square + constant)\n"
        "return 0.5 * (self.logvar.sum(tuple(dims)) + square + constant)",
    ),
    _forward("kl by the logarithm of the product of variances", "torch.log(q.var.prod(dim=1))"),
    _forward("kl by the logarithm of the product of stds", "2.0 * torch.log(q.std.prod(dim=1))"),
    _forward("kl by the logarithm of a determinant", "torch.log(torch.det(torch.diag_embed(q.var)))"),
    _log_likelihood(
        "posterior by the logarithm of the product of stds", _LOG_DET, "torch.log(q.std.prod(dim=1)).repeat(K)"
    ),
    _log_likelihood(
        "posterior by the logarithm of the product of variances",
        _LOG_DET,
        "0.5 * torch.log(q.var.prod(dim=1)).repeat(K)",
    ),
    _log_likelihood(
        "posterior by the logarithm of a determinant",
        _LOG_DET,
        "0.5 * torch.log(torch.det(torch.diag_embed(q.var))).repeat(K)",
    ),
    _log_likelihood(
        "posterior by the logarithm of its normalising factor",
        _LOG_QZ,
        "factor = (1.0 / (q.std * math.sqrt(2.0 * math.pi))).prod(dim=1)\n"
        "log_qz = torch.log(factor).repeat(K) - 0.5 * (noise**2).sum(dim=1)",
    ),
)
