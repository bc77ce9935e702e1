"""Wrong answers to `prior_sample`: VAE.sample."""

from tests.zoo.entry import Wrong

_DRAW = "torch.randn(batch_size, self.z_dim)"


def _code(name: str, drawn: str = _DRAW, given: str = "noise", result: str = "mode()", diagnosis: str = "") -> Wrong:
    answer = f"z = {drawn} if noise is None else {given}\nreturn self.decode(z).{result}"
    return Wrong("prior_sample", name, answer, diagnosis=diagnosis)


WRONG = (
    _code("a draw of the pixels", result="sample()", diagnosis="prior_sample_sampled_pixels"),
    Wrong("prior_sample", "given noise not used", f"return self.decode({_DRAW}).mode()"),
    _code(
        "the code zero",
        "torch.zeros(batch_size, self.z_dim)",
        "torch.zeros_like(noise)",
        diagnosis="prior_sample_noise_ignored",
    ),
    _code("noise doubled", f"2 * {_DRAW}", "2 * noise", diagnosis="prior_sample_noise_scaled"),
    _code("uniform codes", "torch.rand(batch_size, self.z_dim)", diagnosis="prior_sample_uniform_prior"),
    _code(
        "uniform codes of unit variance",
        "(torch.rand(batch_size, self.z_dim) - 0.5) * math.sqrt(12)",
        diagnosis="prior_sample_uniform_prior",
    ),
    _code("sigmoid", result="mode().sigmoid()", diagnosis="prior_sample_sigmoid"),
    _code("one code for all", "torch.randn(1, self.z_dim).expand(batch_size, -1)", diagnosis="prior_sample_same_code"),
    _code("one number per code", "torch.randn(batch_size, 1).expand(-1, self.z_dim)", diagnosis="noise_not_fresh"),
    _code("cooled down", f"0.7 * {_DRAW}", diagnosis="noise_not_normal"),
    _code("right for unit scale only", given="noise / noise.std()"),
    _code("codes truncated", f"{_DRAW}.clamp(-1.5, 1.5)", diagnosis="noise_cut_off"),
    _code(
        "pixel noise on drawn codes only",
        result="sample() if noise is None else self.decode(z).mode()",
        diagnosis="prior_sample_sampled_pixels",
    ),
    _code("clamped to pixels", result="mode().clamp(-1.0, 1.0)"),
    _code("tanh", result="mode().tanh()"),
    _code("64 images always", "torch.randn(64, self.z_dim)"),
    _code("one image always", "torch.randn(1, self.z_dim)"),
    _code("32 dimensions always", "torch.randn(batch_size, 32)"),
    _code("squeezed", result="mode().squeeze(0)"),
    _code("a distribution", result="mode"),
    _code("codes returned", result="mode() * 0 + z.sum()"),
    _code("drawn once", f"self.__dict__.setdefault('drawn', {_DRAW})[:batch_size]", diagnosis="noise_not_fresh"),
    Wrong(
        "prior_sample",
        "seeded inside",
        f"torch.manual_seed(batch_size)\nz = {_DRAW} if noise is None else noise\nreturn self.decode(z).mode()",
        diagnosis="noise_not_fresh",
    ),
    Wrong(
        "prior_sample",
        "opposite codes in pairs",
        "half = torch.randn((batch_size + 1) // 2, self.z_dim)\n"
        "z = torch.cat([half, -half])[:batch_size] if noise is None else noise\nreturn self.decode(z).mode()",
        diagnosis="noise_not_fresh",
    ),
    Wrong(
        "prior_sample",
        "noise sampled around",
        "z = torch.randn(batch_size, self.z_dim) if noise is None else noise\n"
        "return self.decode(DiagonalGaussianDistribution(z).sample()).mode()",
    ),
    Wrong(
        "prior_sample",
        "noise changed in place",
        "z = torch.zeros(batch_size, self.z_dim).normal_() if noise is None "
        "else noise.mul_(1.0 + 1e-3)\nreturn self.decode(z).mode()",
        diagnosis="in_place_change",
    ),
    _code("right in eval mode only", given="noise * (0.5 if self.training else 1.0)"),
    _code("bfloat16 inside", result="mode().bfloat16().float()"),
    _code("float64 out", result="mode().double()"),
    Wrong(
        "prior_sample",
        "a method of another name",
        swaps=(("    def sample(self, batch_size", "    def generate(self, batch_size"),),
    ),
    _code("codes cut off at two", f"{_DRAW}.clamp(-2.0, 2.0)", diagnosis="noise_cut_off"),
    Wrong(
        "prior_sample",
        "a learned prior, standard normal at first",
        f"z = {_DRAW} if noise is None else noise\nreturn self.decode(self.center + z).mode()",
        swaps=(
            (
                "        self.to(device)\n",
                "        self.center = nn.Parameter(torch.zeros(z_dim))\n        self.to(device)\n",
            ),
        ),
    ),
    Wrong(
        "prior_sample",
        "eval mode left behind",
        f"self.eval()\nz = {_DRAW} if noise is None else noise\nreturn self.decode(z).mode()",
        diagnosis="model_left_switched",
    ),
    Wrong(
        "prior_sample",
        "gradients left off",
        f"torch.set_grad_enabled(False)\nz = {_DRAW} if noise is None else noise\nreturn self.decode(z).mode()",
        diagnosis="model_left_switched",
    ),
    Wrong(
        "prior_sample",
        "sigmoid, and interpolate by sample",
        f"z = {_DRAW} if noise is None else noise\nreturn self.decode(z).mode().sigmoid()",
        swaps=(
            (
                "return model.decode((1.0 - weight) * z_1 + weight * z_2).mode()",
                "return model.sample(n_samples, noise=(1.0 - weight) * z_1 + weight * z_2)",
            ),
        ),
        diagnosis="prior_sample_sigmoid",
    ),
)
