"""Right models whose modules are made, held and shared in other ways."""

from tests.zoo.entry import Equivalent, Swap
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_END = "        self.to(device)\n"
_HEADS = """        self.mean = nn.Linear(self.encoder.out_features, z_dim)
        self.logvar = nn.Linear(self.encoder.out_features, z_dim)
"""
_LAZY_HEADS = "        self.mean, self.logvar = nn.LazyLinear(z_dim), nn.LazyLinear(z_dim)\n"
_BOTH_HEADS = "h = self.encoder(x)\nreturn DiagonalGaussianDistribution(*(head(h) for head in self.heads))"
_THREE_STAGES = """f = features
self.layers = nn.Sequential(nn.Conv2d(in_channels, f, 4, 2, 1), nn.SiLU(), nn.Conv2d(f, 2 * f, 4, 2, 1), nn.SiLU(),
                            nn.Conv2d(2 * f, 4 * f, 4, 2, 1), nn.SiLU(), nn.Flatten())
"""


def _at_the_end(line: str) -> Swap:
    """Return the swap that adds a line to the constructor of VAE."""
    return (_END, f"        {line}\n{_END}")


EQUIVALENT = (
    Equivalent(
        "a width counted by numpy in a dry run",
        answers=(
            (
                "encoder",
                f"{_THREE_STAGES}x = torch.zeros(1, in_channels, input_size, input_size)\n"
                "self.out_features = np.prod(self.layers(x).shape)",
            ),
        ),
        top="import numpy as np\n",
    ),
    Equivalent("lazy heads", swaps=((_HEADS, _LAZY_HEADS),)),
    Equivalent(
        "lazy layers and a dry run",
        answers=(
            (
                "encoder",
                """
                self.layers = nn.Sequential(nn.LazyConv2d(features, 4, 2, 1), nn.ReLU(), nn.LazyConv2d(64, 4, 2, 1),
                                            nn.ReLU(), nn.Flatten(), nn.LazyLinear(64), nn.ReLU())
                self.out_features = 64
                """,
            ),
        ),
        swaps=((_HEADS, _LAZY_HEADS), _at_the_end("self.encode(torch.zeros(2, in_channels, input_size, input_size))")),
    ),
    Equivalent(
        "heads behind properties",
        swaps=(
            (
                _HEADS,
                "        width = self.encoder.out_features\n"
                "        self.heads = nn.ModuleDict({k: nn.Linear(width, z_dim) for k in ('mean', 'logvar')})\n",
            ),
            (
                "    # ## Task `encode`\n",
                """
    @property
    def mean(self):
        return self.heads["mean"]

    @property
    def logvar(self):
        return self.heads["logvar"]

    # ## Task `encode`
""",
            ),
        ),
    ),
    Equivalent(
        "heads of other names",
        answers=(
            ("encode", "h = self.encoder(x)\nreturn DiagonalGaussianDistribution(self.fc_mu(h), self.fc_var(h))"),
            (
                "forward",
                """
                h = self.encoder(x)
                q = DiagonalGaussianDistribution(self.fc_mu(h), self.fc_var(h))
                p = self.decode(q.sample(noise))
                return p.mode(), p.nll(x), q.kl()
                """,
            ),
            (
                "prior_sample",
                "noise = torch.randn(batch_size, self.fc_mu.out_features) if noise is None else noise\n"
                "return self.decode(noise).mode()",
            ),
        ),
        swaps=((_HEADS, _HEADS.replace("self.mean", "self.fc_mu").replace("self.logvar", "self.fc_var")),),
    ),
    Equivalent(
        "heads of other names beside those that were given",
        answers=(
            (
                "encode",
                "h = self.encoder(x)\nreturn DiagonalGaussianDistribution(self.heads['mu'](h), self.heads['s'](h))",
            ),
        ),
        swaps=(
            _at_the_end(
                "self.heads = nn.ModuleDict({k: nn.Linear(self.encoder.out_features, z_dim) for k in ('mu', 's')})"
            ),
        ),
        loses=(("training", 10.0),),  # self.mean and self.logvar are never trained
    ),
    Equivalent(
        "both heads in one layer",
        answers=(
            (
                "encode",
                "logvar, mean = self.moments(self.encoder(x)).chunk(2, dim=1)\n"
                "return DiagonalGaussianDistribution(mean, logvar)",
            ),
            (
                "log_likelihood",
                PLAIN.replace(
                    "self.encode(x)",
                    "DiagonalGaussianDistribution(*self.moments(self.encoder(x)).chunk(2, dim=1)[::-1])",
                ),
            ),
        ),
        swaps=((_HEADS, "        self.moments = nn.Linear(self.encoder.out_features, 2 * z_dim)\n"),),
    ),
    Equivalent(
        "heads in a tuple too",
        answers=(("encode", _BOTH_HEADS),),
        swaps=(_at_the_end("self.heads = (self.mean, self.logvar)"),),
    ),
    Equivalent(
        "encoder and head in a sequence too",
        answers=(("encode", "return DiagonalGaussianDistribution(self.to_mean(x), self.logvar(self.encoder(x)))"),),
        swaps=(_at_the_end("self.to_mean = nn.Sequential(self.encoder, self.mean)"),),
    ),
    Equivalent(
        "group norms of eight groups",
        answers=(
            (
                "encoder",
                f"{_THREE_STAGES}"
                "self.layers.insert(1, nn.GroupNorm(8, f))\n"
                "self.layers.insert(4, nn.GroupNorm(8, 2 * f))\n"
                "self.out_features = 4 * f * (input_size // 8) ** 2\n",
            ),
            (
                "decoder",
                """
                f, grid = features, output_size // 8
                self.layers = nn.Sequential(
                    nn.Linear(z_dim, 4 * f * grid**2), nn.Unflatten(1, (4 * f, grid, grid)),
                    nn.GroupNorm(8, 4 * f), nn.SiLU(), nn.ConvTranspose2d(4 * f, 2 * f, 4, 2, 1),
                    nn.GroupNorm(8, 2 * f), nn.SiLU(), nn.ConvTranspose2d(2 * f, f, 4, 2, 1),
                    nn.GroupNorm(8, f), nn.SiLU(), nn.ConvTranspose2d(f, out_channels, 4, 2, 1))
                """,
            ),
        ),
    ),
    Equivalent(
        "weight norm and spectral norm",
        answers=(
            (
                "encoder",
                f"{_THREE_STAGES}"
                "self.layers[0] = torch.nn.utils.parametrizations.weight_norm(self.layers[0])\n"
                "self.layers[4] = torch.nn.utils.spectral_norm(self.layers[4])\n"
                "self.out_features = 4 * f * (input_size // 8) ** 2\n",
            ),
        ),
    ),
    Equivalent(
        "a kernel shared by encoder and decoder",
        swaps=(
            (
                _END,
                "        if encoder_features == decoder_features:\n"
                f"            self.decoder.layers[9].weight = self.encoder.layers[0].weight\n{_END}",
            ),
        ),
    ),
    Equivalent(
        "a decoder of the encoder's kernels",
        answers=(
            (
                "decoder",
                """
                self.grid = output_size // 16
                self.convs = nn.ModuleList([layer for layer in encoder.layers if isinstance(layer, nn.Conv2d)])
                self.shifts = nn.ParameterList([torch.zeros(conv.in_channels) for conv in self.convs])
                self.linear = nn.Linear(z_dim, self.convs[-1].out_channels * self.grid**2)
                """,
            ),
            (
                "decoder.forward",
                """
                h = self.linear(z).view(len(z), -1, self.grid, self.grid)
                for conv, shift in zip(reversed(self.convs), reversed(self.shifts)):
                    h = nn.functional.conv_transpose2d(h.relu(), conv.weight, shift, stride=2, padding=1)
                return h
                """,
            ),
        ),
        swaps=(
            ("Decoder(in_channels, decoder_features, z_dim, input_size)", "Decoder(self.encoder, z_dim, input_size)"),
            (
                "self, out_channels: int = 3, features: int = 32, z_dim: int = 32, output_size: int = 32",
                "self, encoder, z_dim: int = 32, output_size: int = 32",
            ),
        ),
    ),
    Equivalent(
        "attention",
        answers=(
            (
                "encoder",
                f"{_THREE_STAGES}"
                "self.attention = nn.MultiheadAttention(4 * f, 4, batch_first=True)\n"
                "self.out_features = 4 * f * (input_size // 8) ** 2\n",
            ),
            (
                "encoder.forward",
                "h = self.layers[:-1](x).flatten(2).transpose(1, 2)\n"
                "return (h + self.attention(h, h, h, need_weights=False)[0]).flatten(1)",
            ),
        ),
    ),
    Equivalent(
        "buffers, and a parameter that tells the device",
        answers=(
            (
                "forward",
                """
                self.calls += 1
                q = self.encode(x)
                p = self.decode(q.sample(noise))
                return p.mode(), 0.5 * ((x - p.mean) ** 2 + self.log_two_pi).sum(dim=(1, 2, 3)), q.kl()
                """,
            ),
            (
                "prior_sample",
                "noise = torch.randn(batch_size, self.z_dim).to(self.where) if noise is None else noise\n"
                "return self.decode(noise).mode()",
            ),
        ),
        swaps=(
            (
                _END,
                "        self.register_buffer('log_two_pi', torch.tensor(2 * math.pi).log())\n"
                "        self.register_buffer('calls', torch.zeros((), dtype=torch.long), persistent=False)\n"
                f"        self.where = nn.Parameter(torch.empty(0))\n{_END}",
            ),
        ),
    ),
)
