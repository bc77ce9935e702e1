"""Wrong answers to `sample`."""

from tests.zoo.entry import Wrong

_DRAWN = "if noise is None:\n    noise = torch.randn_like(self.mean)\n"


def _formula(name: str, formula: str, diagnosis: str = "") -> Wrong:
    return Wrong("sample", name, f"{_DRAWN}return {formula}", diagnosis=diagnosis)


def _noise(name: str, noise: str, diagnosis: str = "", before: str = "pass") -> Wrong:
    answer = f"if noise is None:\n    {before}\n    noise = {noise}\nreturn self.mean + self.std * noise"
    return Wrong("sample", name, answer, diagnosis=diagnosis)


WRONG = (
    _formula("var for std", "self.mean + self.var * noise", "sample_var_for_std"),
    _formula("logvar for std", "self.mean + self.logvar * noise", "sample_logvar_for_std"),
    _formula("root of std", "self.mean + self.std.sqrt() * noise", "sample_std_twice"),
    _formula("no mean", "self.std * noise", "sample_no_mean"),
    _formula("mean only", "self.mean", "sample_noise_ignored"),
    _formula("noise only", "noise", "sample_noise_only"),
    _formula("right for unit variance only", "self.mean + noise", "sample_std_ignored"),
    _formula("divided by std", "self.mean + noise / self.std", "sample_std_inverted"),
    _formula("noise subtracted", "self.mean - self.std * noise", "sample_minus_noise"),
    _formula("std added", "self.mean + self.std + noise", "sample_std_added"),
    _formula("cooled down", "self.mean + 0.7 * self.std * noise"),
    _formula("noise clamped", "self.mean + self.std * noise.clamp(-2.0, 2.0)"),
    Wrong("sample", "given noise not used", "return self.mean + self.std * torch.randn_like(self.mean)"),
    # The noise itself
    _noise("uniform noise", "torch.rand_like(self.mean)", "noise_uniform"),
    _noise("uniform noise of unit variance", "(torch.rand_like(self.mean) - 0.5) * math.sqrt(12)", "noise_uniform"),
    _noise("noise too wide", "1.2 * torch.randn_like(self.mean)", "noise_not_normal"),
    _noise("one row of noise", "torch.randn_like(self.mean[:1]).expand_as(self.mean)", "noise_not_fresh"),
    _noise("one number per row", "torch.randn_like(self.mean[:, :1]).expand_as(self.mean)", "noise_not_fresh"),
    _noise("seeded inside", "torch.randn_like(self.mean)", "noise_not_fresh", "torch.manual_seed(0)"),
    _noise("drawn once per object", "self.__dict__.setdefault('e', torch.randn_like(self.mean))", "noise_not_fresh"),
    _noise(
        "drawn once per shape",
        "self.drawn[self.mean.shape].to(self.mean.dtype)",
        "noise_not_fresh",
        "self.drawn = torch.__dict__.setdefault('_drawn', {})\n"
        "    self.drawn.setdefault(self.mean.shape, torch.randn_like(self.mean))",
    ),
    _noise(
        "rows in pairs of opposite noise",
        "torch.cat([e, -e])[: len(self.mean)]",
        "noise_not_fresh",
        "e = torch.randn_like(self.mean[: (len(self.mean) + 1) // 2])",
    ),
    _noise("codes only", "torch.randn(self.mean.shape[0], self.mean.shape[1], dtype=self.mean.dtype)"),
    Wrong(
        "sample",
        "noise rounded",
        f"{_DRAWN}    noise = noise.round(decimals=1)\nreturn self.mean + self.std * noise",
        also=("noise_not_normal", "noise_not_fresh"),
    ),
    # Gradients
    Wrong(
        "sample",
        "torch.normal has no gradient",
        "if noise is None:\n    return torch.normal(self.mean, self.std)\nreturn self.mean + self.std * noise",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "sample",
        "no_grad",
        "noise = torch.randn_like(self.mean) if noise is None else noise\n"
        "with torch.no_grad():\n    return self.mean + self.std * noise",
        diagnosis="gradient_cut",
    ),
    _formula("std detached", "self.mean + self.std.detach() * noise", "gradient_cut"),
    _formula("mean by .data", "self.mean.data + self.std * noise", "gradient_cut"),
    _formula("through numpy", "torch.from_numpy((self.mean + self.std * noise).detach().numpy())", "gradient_cut"),
    # Forms
    _formula("mean changed in place", "self.mean.add_(self.std * noise)", "in_place_change"),
    _formula("noise changed in place", "noise.mul_(self.std).add_(self.mean)", "in_place_change"),
    _formula("squeezed", "(self.mean + self.std * noise).squeeze()"),
    _formula("always float32", "(self.mean + self.std * noise).float()"),
    _formula("bfloat16 inside", "(self.mean + self.std.bfloat16() * noise.bfloat16()).to(self.mean.dtype)"),
    _formula(
        "right for contiguous tensors only",
        "self.mean + (self.std * noise).as_strided(self.mean.shape, torch.empty(self.mean.shape).stride())",
    ),
    Wrong("sample", "a method of another name", swaps=(("    def sample(self, noise", "    def rsample(self, noise"),)),
    _formula("an epsilon under the root", "self.mean + (self.var + 1e-8).sqrt() * noise"),
    _noise("noise cut off at two", "torch.randn_like(self.mean).clamp(-2.0, 2.0)", "noise_cut_off"),
    Wrong(
        "sample",
        "no mean, and mode by sample",
        f"{_DRAWN}return self.std * noise",
        swaps=(("        return self.mean\n", "        return self.sample(torch.zeros_like(self.mean))\n"),),
        diagnosis="sample_no_mean",
    ),
)
