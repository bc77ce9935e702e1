"""Right encoders and decoders of other architectures, and with constructors of their own."""

from tests.zoo.entry import Equivalent

_HEAD = "super().__init__()\n"
_CONV_DOWN = "nn.Conv2d({}, {}, 4, 2, 1)"

# Residual blocks with group norms, and a decoder that mirrors them.
_RESIDUAL = """

class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.block = nn.Sequential(nn.GroupNorm(1, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x):
        return x + self.block(x)

"""

EQUIVALENT = (
    Equivalent(
        "residual blocks and group norms",
        answers=(
            (
                "encoder",
                """
                f = features
                self.stem = nn.Conv2d(in_channels, f, 4, stride=2, padding=1)
                self.down = nn.Sequential(Residual(f), nn.Conv2d(f, 2 * f, 4, 2, 1), Residual(2 * f),
                                          nn.Conv2d(2 * f, 4 * f, 4, 2, 1), nn.SiLU())
                self.out_features = 4 * f * (input_size // 8) ** 2
                """,
            ),
            ("encoder.forward", "return torch.flatten(self.down(self.stem(x)), start_dim=1)"),
            (
                "decoder",
                """
                f, self.side = features, output_size // 8
                self.spread = nn.Linear(z_dim, 4 * f * self.side * self.side)
                self.up = nn.Sequential(Residual(4 * f), nn.ConvTranspose2d(4 * f, 2 * f, 4, 2, 1), Residual(2 * f),
                                        nn.ConvTranspose2d(2 * f, f, 4, 2, 1), nn.SiLU(),
                                        nn.ConvTranspose2d(f, out_channels, 4, 2, 1))
                """,
            ),
            ("decoder.forward", "h = self.spread(z)\nreturn self.up(h.view(len(z), -1, self.side, self.side))"),
        ),
        top=_RESIDUAL,
    ),
    Equivalent(
        "max-pooling and batch norm",
        answers=(
            (
                "encoder",
                """
                widths = [in_channels, features, 2 * features, 4 * features]
                stages = []
                for a, b in zip(widths, widths[1:]):
                    stages += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
                self.layers = nn.Sequential(*stages, nn.Flatten())
                self.out_features = 4 * features * (input_size // 8) ** 2
                """,
            ),
            (
                "decoder",
                """
                f, grid = features, output_size // 8
                self.layers = nn.Sequential(
                    nn.Linear(z_dim, 4 * f * grid**2), nn.ReLU(), nn.Unflatten(1, (4 * f, grid, grid)),
                    nn.ConvTranspose2d(4 * f, 2 * f, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * f), nn.ReLU(),
                    nn.ConvTranspose2d(2 * f, f, 4, 2, 1, bias=False), nn.BatchNorm2d(f), nn.ReLU(),
                    nn.ConvTranspose2d(f, out_channels, 4, 2, 1))
                """,
            ),
        ),
    ),
    Equivalent(
        "functional transposed convolutions and own parameters",
        answers=(
            (
                "decoder",
                """
                self.grid, f = output_size // 4, features
                self.linear = nn.Linear(z_dim, 2 * f * self.grid**2)
                self.kernels = nn.ParameterList([
                    nn.Parameter(0.12 * torch.randn(2 * f, f, 4, 4)),
                    nn.Parameter(0.12 * torch.randn(f, out_channels, 4, 4)),
                ])
                """,
            ),
            (
                "decoder.forward",
                """
                h = torch.relu(self.linear(z)).reshape(z.shape[0], -1, self.grid, self.grid)
                h = torch.relu(nn.functional.conv_transpose2d(h, self.kernels[0], stride=2, padding=1))
                return nn.functional.conv_transpose2d(h, self.kernels[1], stride=2, padding=1)
                """,
            ),
        ),
    ),
    Equivalent(
        "module lists and weights of one's own",
        answers=(
            (
                "encoder",
                """
                widths = [in_channels, features, 2 * features, 4 * features]
                self.stages = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(widths, widths[1:]))
                self.out_features = 4 * features * (input_size // 8) ** 2
                self.apply(start_weights)
                """,
            ),
            (
                "encoder.forward",
                "for stage in self.stages:\n    x = nn.functional.gelu(stage(x))\nreturn x.reshape(len(x), -1)",
            ),
        ),
        bottom="""

        def start_weights(module):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        """,
    ),
    Equivalent(
        "constructors of one's own",
        swaps=(
            (
                "def __init__(self, in_channels: int = 3, features: int = 32, input_size: int = 32):",
                "def __init__(self, shape, *, width, depth=4):",
            ),
            (
                "        self.layers = nn.Sequential(\n            nn.Conv2d(in_channels, features,",
                "        (in_channels, input_size), features = shape, width\n        self.depth = depth\n"
                "        self.layers = nn.Sequential(\n            nn.Conv2d(in_channels, features,",
            ),
            (
                "self, out_channels: int = 3, features: int = 32, z_dim: int = 32, output_size: int = 32",
                "self, config",
            ),
            (
                "        grid = output_size // 16\n",
                "        out_channels, features, z_dim, output_size = (config[k] for k in ('c', 'f', 'z', 's'))\n"
                "        grid = output_size // 16\n",
            ),
            (
                "Encoder(in_channels, encoder_features, input_size)",
                "Encoder((in_channels, input_size), width=encoder_features)",
            ),
            (
                "Decoder(in_channels, decoder_features, z_dim, input_size)",
                "Decoder({'c': in_channels, 'f': decoder_features, 'z': z_dim, 's': input_size})",
            ),
        ),
    ),
    Equivalent(
        "a narrow encoder with a dense layer",
        answers=(
            (
                "encoder",
                """
                pixels = in_channels * (input_size // 2) ** 2
                self.dense = nn.Linear(pixels, 8 * features)
                self.out_features = 8 * features
                """,
            ),
            (
                "encoder.forward",
                "half = nn.functional.avg_pool2d(x, 2)\nreturn nn.functional.relu(self.dense(half.flatten(1)))",
            ),
        ),
    ),
    Equivalent(
        "tanh at the end of the decoder",
        answers=(("decoder.forward", "return 1.1 * torch.tanh(self.layers(z))"),),
    ),
    Equivalent(
        "dropout in train mode",
        answers=(("encoder.forward", "return nn.functional.dropout(self.layers(x), 0.05, training=self.training)"),),
    ),
    Equivalent(
        "layers added by name",
        answers=(
            (
                "encoder",
                """
                width = in_channels
                for i in range(3):
                    self.add_module(f"conv{i}", nn.Conv2d(width, features * 2**i, 5, stride=2, padding=2))
                    width = features * 2**i
                self.out_features = width * (input_size // 8) ** 2
                """,
            ),
            (
                "encoder.forward",
                """
                for i in range(3):
                    x = nn.functional.leaky_relu(getattr(self, f"conv{i}")(x), 0.2)
                return x.flatten(start_dim=1)
                """,
            ),
        ),
    ),
    Equivalent(
        "from one pixel upwards, and a convolution at the end",
        answers=(
            (
                "decoder",
                """
                steps, width = int(math.log2(output_size)) - 2, 8 * features
                layers: list[nn.Module] = [nn.Unflatten(1, (z_dim, 1, 1)), nn.ConvTranspose2d(z_dim, width, 4)]
                for _ in range(steps):
                    layers += [nn.ReLU(), nn.ConvTranspose2d(width, max(features, width // 2), 4, 2, 1)]
                    width = max(features, width // 2)
                layers += [nn.ReLU(), nn.Conv2d(width, out_channels, 3, padding=1)]
                self.layers = nn.Sequential(*layers)
                """,
            ),
        ),
    ),
)
