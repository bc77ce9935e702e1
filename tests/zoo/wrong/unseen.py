"""Wrong answers that kept all points when somebody first tried them: what the checks did not vary then.

Many rows, K or images; eval mode; one image alone; far means; half precision inside; roots at zero; dims in the middle;
networks that make grey images, a dead border, or enlarge nothing by their transposed convolution.
"""

from tests.zoo.entry import Wrong
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_STAGES = (
    "grid = output_size // 16\n"
    "self.layers = nn.Sequential(\n"
    "    nn.Linear(z_dim, 8 * features * grid**2),\n"
    "    nn.Unflatten(1, (8 * features, grid, grid)),\n"
    "    nn.SiLU(),\n"
    "    nn.ConvTranspose2d(8 * features, 4 * features, 4, 2, 1),\n"
    "    nn.SiLU(),\n"
    "    nn.ConvTranspose2d(4 * features, 2 * features, 4, 2, 1),\n"
    "    nn.SiLU(),\n"
    "    nn.ConvTranspose2d(2 * features, features, 4, 2, 1),\n"
    "    nn.SiLU(),\n"
    "    {last},\n"
    ")"
)


def _last_layer(name: str, last: str, forward: str) -> Wrong:
    return Wrong("decoder", name, f"self.c = out_channels\n{_STAGES.format(last=last)}", forward)


def _forward(name: str, code: str, also: tuple[str, ...] = ()) -> Wrong:
    answer = f"q = self.encode(x)\n{code}\np = self.decode(z)\nreturn p.mode(), p.nll(x), q.kl()"
    return Wrong("forward", name, answer, also=also)


WRONG = (
    # Networks
    _last_layer(
        "grey images only", "nn.ConvTranspose2d(features, 1, 4, 2, 1)", "return self.layers(z).repeat(1, self.c, 1, 1)"
    ),
    _last_layer(
        "a border that is always 0",
        "nn.Sequential(nn.ConvTranspose2d(features, out_channels, 3, 2, 1), nn.ZeroPad2d((0, 1, 0, 1)))",
        "return self.layers(z)",
    ),
    Wrong(
        "decoder",
        "a transposed convolution that enlarges nothing",
        "grid = output_size // 4\n"
        "self.layers = nn.Sequential(\n"
        "    nn.Linear(z_dim, features * grid**2),\n"
        "    nn.Unflatten(1, (features, grid, grid)),\n"
        "    nn.Upsample(scale_factor=4),\n"
        "    nn.Conv2d(features, features, 3, padding=1),\n"
        "    nn.SiLU(),\n"
        "    nn.ConvTranspose2d(features, out_channels, 3, padding=1),\n"
        ")",
        diagnosis="decoder_no_transposed_convolution",
    ),
    # The distribution
    Wrong(
        "sample",
        "one draw for all pixels of an image",
        "if noise is None:\n"
        "    noise = torch.randn(self.mean.shape[:2], dtype=self.mean.dtype)\n"
        "    while noise.dim() < self.mean.dim():\n"
        "        noise = noise.unsqueeze(-1)\n"
        "return self.mean + self.std * noise",
        also=("noise_not_fresh",),
    ),
    Wrong(
        "sample",
        "noise centred over the batch",
        "if noise is None:\n"
        "    noise = torch.randn_like(self.mean)\n"
        "    noise = noise - noise.mean(dim=0, keepdim=True)\n"
        "return self.mean + self.std * noise",
        also=("noise_not_fresh", "noise_not_normal"),
    ),
    Wrong(
        "kl",
        "a root that has no slope at zero",
        "length = torch.sqrt(torch.sum(self.mean**2, dim=1))\n"
        "return 0.5 * (length**2 + torch.sum(self.var - 1.0 - self.logvar, dim=1))",
    ),
    Wrong(
        "nll",
        "a root that has no slope at the mean",
        "axes = tuple(dims)\n"
        "distance = torch.sqrt(torch.sum((sample - self.mean) ** 2 / self.var, dim=axes))\n"
        "return 0.5 * (distance**2 + torch.sum(math.log(2.0 * math.pi) + self.logvar, dim=axes))",
    ),
    Wrong(
        "nll",
        "all dimensions from the first of dims on",
        "terms = math.log(2.0 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var\n"
        "return 0.5 * terms.flatten(tuple(dims)[0]).sum(dim=-1)",
    ),
    Wrong("mode", "clamped to where codes usually are", "return self.mean.clamp(-10.0, 10.0)"),
    Wrong(
        "mode",
        "images detached",
        "return self.mean.detach() if self.mean.dim() == 4 else self.mean",
        also=("gradient_cut",),
    ),
    # The model
    Wrong(
        "encode",
        "mean clamped to where codes usually are",
        "hidden = self.encoder(x)\n"
        "return DiagonalGaussianDistribution(self.mean(hidden).clamp(-10.0, 10.0), self.logvar(hidden))",
    ),
    Wrong(
        "encode",
        "half precision inside",
        "with torch.autocast('cpu', dtype=torch.bfloat16):\n"
        "    hidden = self.encoder(x)\n"
        "    mean, logvar = self.mean(hidden), self.logvar(hidden)\n"
        "return DiagonalGaussianDistribution(mean.to(x.dtype), logvar.to(x.dtype))",
    ),
    Wrong(
        "encode",
        "no gradient in train mode",
        "with torch.set_grad_enabled(not self.training):\n"
        "    hidden = self.encoder(x)\n"
        "    return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "decode",
        "the rest of a chunk left out",
        "chunks = [self.decoder(z[32 * i : 32 * (i + 1)]) for i in range(max(1, len(z) // 32))]\n"
        "return DiagonalGaussianDistribution(torch.cat(chunks))",
    ),
    Wrong(
        "decode",
        "half precision inside",
        "with torch.autocast('cpu', dtype=torch.bfloat16):\n"
        "    image = self.decoder(z)\n"
        "return DiagonalGaussianDistribution(image.to(z.dtype))",
    ),
    Wrong("decode", "clamped far out", "return DiagonalGaussianDistribution(self.decoder(z).clamp(-100.0, 100.0))"),
    Wrong(
        "prior_sample",
        "codes centred over the batch",
        "if noise is None:\n"
        "    noise = torch.randn(batch_size, self.z_dim)\n"
        "    noise = noise - noise.mean(dim=0, keepdim=True)\n"
        "return self.decode(noise).mode()",
        also=("prior_sample_same_code",),
    ),
    Wrong(
        "prior_sample",
        "the rest of a chunk left out",
        "z = torch.randn(batch_size, self.z_dim) if noise is None else noise\n"
        "return torch.cat([self.decode(z[100 * i : 100 * (i + 1)]).mode() for i in range(max(1, len(z) // 100))])",
    ),
    _forward(
        "the mode of the posterior in eval mode",
        "z = q.sample(noise) if self.training or noise is not None else q.mean",
        ("noise_not_fresh",),
    ),
    _forward(
        "no gradient through the noise that it draws",
        "z = torch.normal(q.mean, q.std) if noise is None else q.sample(noise)",
        ("gradient_cut",),
    ),
    _forward(
        "uniform noise where none is given",
        "z = q.sample(torch.rand_like(q.mean) if noise is None else noise)",
        ("noise_uniform", "noise_not_normal"),
    ),
    _forward(
        "one draw for all dimensions of a code",
        "z = q.sample(torch.randn_like(q.mean[:, :1]).expand_as(q.mean) if noise is None else noise)",
        ("noise_not_fresh",),
    ),
    Wrong(
        "log_likelihood",
        "mean of the logarithms of chunks of 1024",
        "estimates = []\n"
        "for start in range(0, K, 1024):\n"
        "    k = min(1024, K - start)\n"
        "    estimates.append(self._chunk(x, k))\n"
        "return torch.stack(estimates).mean(dim=0)",
        swaps=(
            (
                "    # ## Task `log_likelihood`\n",
                "    def _chunk(self, x, K):\n"
                + "".join(f"        {line}\n" for line in PLAIN.strip().splitlines())
                + "\n    # ## Task `log_likelihood`\n",
            ),
        ),
        also=("log_likelihood_elbo",),
    ),
    Wrong(
        "interpolate",
        "one image too many for long paths",
        "w = torch.arange(0, 1.01, 1 / (n_samples - 1))[:, None]\nreturn model.decode((1 - w) * z_1 + w * z_2).mode()",
    ),
    Wrong(
        "interpolate",
        "the rest of a chunk left out",
        "w = torch.linspace(0, 1, n_samples)[:, None]\n"
        "z = (1 - w) * z_1 + w * z_2\n"
        "return torch.cat([model.decode(z[64 * i : 64 * (i + 1)]).mode() for i in range(max(1, len(z) // 64))])",
    ),
    Wrong(
        "interpolate",
        "a direction of length one, which a path of length zero has not",
        "way = z_2 - z_1\n"
        "length = way.norm()\n"
        "w = torch.linspace(0, 1, n_samples)[:, None]\n"
        "return model.decode(z_1 + w * length * (way / length)).mode()",
    ),
)
