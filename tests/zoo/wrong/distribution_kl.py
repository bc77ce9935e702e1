"""Wrong answers to `kl`."""

from tests.zoo.entry import Wrong


def _half(name: str, terms: str, diagnosis: str = "") -> Wrong:
    return Wrong("kl", name, f"return 0.5 * torch.sum({terms}, dim=1)", diagnosis=diagnosis)


def _whole(name: str, result: str, diagnosis: str = "", before: str = "") -> Wrong:
    terms = "terms = self.mean**2 + self.var - 1.0 - self.logvar\n"
    return Wrong("kl", name, f"{before}{terms}return {result}", diagnosis=diagnosis)


WRONG = (
    _whole("half forgotten", "terms.sum(dim=1)", "kl_missing_half"),
    _whole("negated", "-0.5 * terms.sum(dim=1)", "kl_negated"),
    _half("std for var", "self.mean**2 + self.std - 1.0 - self.logvar", "kl_std_for_var"),
    _half("plus logvar", "self.mean**2 + self.var - 1.0 + self.logvar", "kl_logvar_plus"),
    _half("one forgotten", "self.mean**2 + self.var - self.logvar", "kl_missing_one"),
    _half("mean not squared", "self.mean + self.var - 1.0 - self.logvar", "kl_mean_not_squared"),
    _half("right for mean zero only", "self.var - 1.0 - self.logvar", "kl_mean_missing"),
    _half("log of std", "self.mean**2 + self.var - 1.0 - self.std.log()", "kl_log_std"),
    _half("reversed", "(1 + self.mean**2) / self.var - 1.0 + self.logvar", "kl_reversed"),
    _half("variance forgotten", "self.mean**2 - 1.0 - self.logvar", "kl_var_missing"),
    _whole("averaged over dimensions", "0.5 * terms.mean(dim=1)", "kl_mean_over_dims"),
    _whole(
        "half on the variance only",
        "(self.mean**2 + 0.5 * (self.var - 1 - self.logvar)).sum(1)",
        "kl_missing_half_mean",
    ),
    _half("variance squared", "self.mean**2 + self.var**2 - 1.0 - self.logvar", "kl_var_squared"),
    _half("right for unit variance only", "self.mean**2"),
    _half("absolute mean", "self.mean.abs() + self.var - 1.0 - self.logvar"),
    _whole("weighted, as in a beta-VAE", "4.0 * 0.5 * terms.sum(dim=1)"),
    _whole("free bits", "(0.5 * terms).clamp(min=0.1).sum(dim=1)"),
    _half("log-variance clamped", "self.mean**2 + self.var - 1.0 - self.logvar.clamp(-5.0, 5.0)"),
    _half("epsilon in the logarithm", "self.mean**2 + self.var - 1.0 - torch.log(self.var + 1e-4)"),
    _whole("the first dimension only", "0.5 * terms[:, 0]"),
    Wrong(
        "kl",
        "one sample's estimate",
        "z = self.mean + self.std * torch.randn_like(self.mean)\n"
        "return 0.5 * torch.sum(z**2 - ((z - self.mean) / self.std) ** 2 - self.logvar, dim=1)",
    ),
    # float32 alone: the mistake is named all the same
    _whole("half forgotten, in float32", "terms @ torch.ones(terms.shape[1])", "kl_missing_half"),
    # Shapes
    _whole("summed over the batch too", "0.5 * terms.sum()"),
    _whole("averaged over the batch", "0.5 * terms.sum(dim=1).mean()"),
    _whole("right for one row only", "0.5 * terms.sum(dim=1).mean().expand(len(terms))"),
    _whole("summed over the batch instead", "0.5 * terms.sum(dim=0)"),
    _whole("squeezed", "0.5 * terms.sum(dim=1).squeeze()"),
    _whole("dimension kept", "0.5 * terms.sum(dim=1, keepdim=True)"),
    _whole("not summed", "0.5 * terms"),
    # Gradients
    _half("log-variance detached", "self.mean**2 + self.var.detach() - 1.0 - self.logvar.detach()", "gradient_cut"),
    _half("mean by .data", "self.mean.data**2 + self.var - 1.0 - self.logvar", "gradient_cut"),
    _half("variance detached", "self.mean**2 + self.var.detach() - 1.0 - self.logvar"),
    _whole("through numpy", "torch.from_numpy(0.5 * terms.detach().numpy().sum(axis=1))", "gradient_cut"),
    # Forms
    _whole("mean squared in place", "0.5 * terms.sum(dim=1)", "in_place_change", "self.mean.pow_(2).sqrt_()\n"),
    _half("one subtracted in place", "self.mean**2 + self.var.sub_(1.0) - self.logvar", "in_place_change"),
    _whole("float16 inside", "0.5 * terms.half().sum(dim=1).to(terms.dtype)"),
    _whole("always float32", "0.5 * terms.float().sum(dim=1)"),
    _whole(
        "remembered from the first call",
        "first[key]",
        "",
        "first, key = torch.__dict__.setdefault('_kl', {}), (self.mean.shape, self.mean.dtype)\n"
        "first.setdefault(key, 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1))\n",
    ),
    _whole(
        "right at the first call only",
        "0.5 * terms.sum(dim=1) / self.calls",
        "",
        "self.calls = getattr(self, 'calls', 0) + 1\n",
    ),
    _whole("right for contiguous tensors only", "0.5 * terms.as_strided(terms.shape, (terms.shape[1], 1)).sum(dim=1)"),
    _whole("crashes for tensors that are not contiguous", "0.5 * terms.view(-1).view(terms.shape).sum(dim=1)"),
    Wrong("kl", "a method of another name", swaps=(("    def kl(self)", "    def kl_divergence(self)"),)),
    _whole("right for 32 dimensions only", "16.0 * terms.mean(dim=1)"),
    # Right for moderate numbers, or in float64
    _half("a small epsilon in the logarithm", "self.mean**2 + self.var - 1.0 - torch.log(self.var + 1e-8)"),
    _half("log-variance clamped above", "self.mean**2 + self.logvar.clamp(max=10).exp() - 1.0 - self.logvar"),
    _whole("capped", "(0.5 * terms.sum(dim=1)).clamp(max=1000.0)"),
    _whole("free bits of a row", "(0.5 * terms.sum(dim=1)).clamp(min=0.5)"),
    _whole(
        "half precision for float32",
        "0.5 * (terms.bfloat16().float() if terms.dtype == torch.float32 else terms).sum(dim=1)",
    ),
    # Other things
    _whole("a number", "float(0.5 * terms.sum())"),
    _whole("mean assigned anew", "0.5 * terms.sum(dim=1)", "in_place_change", "self.mean = self.mean.abs()\n"),
)
