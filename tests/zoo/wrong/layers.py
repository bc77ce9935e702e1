"""Wrong answers to `encoder` and `decoder`: the reference with one change."""

from collections.abc import Callable
from typing import Any

from tests.zoo.entry import Swap, Wrong

_FLATTEN: Swap = ("            nn.Flatten(),\n", "")
_LAST_UP = "            nn.ConvTranspose2d(features, out_channels, kernel_size=4, stride=2, padding=1),  # S\n"
_MIXING_NORM = "nn.BatchNorm2d(8 * features, track_running_stats=False)"


def _of(task: str) -> Callable[..., Wrong]:
    """Return what makes entries of a task: (name, second region, diagnosis, swaps)."""

    def make(name: str, forward: str = "", diagnosis: str = "", swaps: tuple[Swap, ...] = (), **more: Any) -> Wrong:
        return Wrong(task, name, forward=forward, diagnosis=diagnosis, swaps=swaps, **more)

    return make


_encoder, _decoder = _of("encoder"), _of("decoder")
_ENCODER_INIT = "        self.out_features = 8 * features * (input_size // 16) ** 2\n"
_DECODER_INIT = "        grid = output_size // 16\n"

WRONG = (
    _encoder("not flattened", swaps=(_FLATTEN,)),
    _encoder("batch flattened too", "return self.layers(x).view(1, -1)"),
    _encoder(
        "layers in a list",
        "for layer in self.plain:\n    x = layer(x)\nreturn x",
        "encoder_unregistered",
        ((_ENCODER_INIT, f"{_ENCODER_INIT}        self.plain = [*self.layers]\n        del self.layers\n"),),
    ),
    _encoder(
        "a layer made at every call",
        "return nn.Linear(self.out_features, self.out_features)(self.layers(x))",
        "encoder_unregistered",
        also=("encoder_random",),
    ),
    _encoder(
        "a layer never used",
        diagnosis="encoder_dead_parameters",
        swaps=((_ENCODER_INIT, f"{_ENCODER_INIT}        self.spare = nn.Linear(self.out_features, 8)\n"),),
    ),
    _encoder(
        "frozen",
        diagnosis="encoder_dead_parameters",
        swaps=((_ENCODER_INIT, f"{_ENCODER_INIT}        self.layers.requires_grad_(False)\n"),),
    ),
    _encoder("detached", "return self.layers(x).detach()", "encoder_dead_parameters", falls=("encoder", "training")),
    _encoder("first layer detached", "return self.layers[1:](self.layers[0](x).detach())", "encoder_dead_parameters"),
    _encoder("multiplied by zero", "return 0.0 * self.layers(x)", also=("encoder_dead_parameters",)),
    _encoder("a constant", "return torch.ones(len(x), self.out_features)", also=("encoder_dead_parameters",)),
    _encoder(
        "out_features right for 32 pixels only",
        diagnosis="encoder_out_features",
        swaps=(("8 * features * (input_size // 16) ** 2", "8 * features * 4"),),
    ),
    _encoder(
        "out_features wrong",
        diagnosis="encoder_out_features",
        swaps=(("8 * features * (input_size // 16) ** 2", "8 * features"),),
        falls=("encoder", "training"),
    ),
    _encoder("three channels always", swaps=(("nn.Conv2d(in_channels, features,", "nn.Conv2d(3, features,"),)),
    _encoder("a batch of 64 always", "return self.layers(x).view(64, self.out_features)"),
    _encoder(
        "batch statistics in eval mode",
        diagnosis="encoder_mixes_batch",
        swaps=((_FLATTEN[0], f"            {_MIXING_NORM},\n{_FLATTEN[0]}"),),
    ),
    _encoder(
        "batch mean subtracted", diagnosis="encoder_mixes_batch", forward="h = self.layers(x)\nreturn h - h.mean(dim=0)"
    ),
    _encoder("softmax over the batch", diagnosis="encoder_mixes_batch", forward="return self.layers(x).softmax(dim=0)"),
    _encoder("dropout in eval mode", "return nn.functional.dropout(self.layers(x), 0.2)", "encoder_random"),
    _encoder(
        "noise in eval mode", "return self.layers(x) + 0.1 * torch.randn(len(x), self.out_features)", "encoder_random"
    ),
    _encoder(
        "neighbour mixed in",
        diagnosis="encoder_mixes_batch",
        forward="h = self.layers(x)\nreturn h + 0.1 * h.roll(1, dims=0)",
    ),
    _encoder("half precision out", "return self.layers(x).half()"),
    _encoder("x changed in place", "return self.layers(x.data.mul_(0.5))", also=("in_place_change",)),
    _encoder("nan", "return self.layers(x).log()"),
    # Decoder
    _decoder(
        "upsampling without transposed convolution",
        diagnosis="decoder_no_transposed_convolution",
        swaps=tuple(
            (
                f"nn.ConvTranspose2d({a}, {b}, kernel_size=4, stride=2, padding=1)",
                f"nn.Upsample(scale_factor=2), nn.Conv2d({a}, {b}, 3, padding=1)",
            )
            for a, b in (
                ("8 * features", "4 * features"),
                ("4 * features", "2 * features"),
                ("2 * features", "features"),
                ("features", "out_channels"),
            )
        ),
    ),
    _decoder(
        "one stage too few",
        swaps=((_LAST_UP, "            nn.ConvTranspose2d(features, out_channels, kernel_size=3, padding=1),\n"),),
    ),
    _decoder("right for 32 pixels only", swaps=((_DECODER_INIT, "        grid = 2\n"),)),
    _decoder(
        "three channels always",
        swaps=(("nn.ConvTranspose2d(features, out_channels,", "nn.ConvTranspose2d(features, 3,"),),
    ),
    _decoder(
        "codes of 32 dimensions always",
        swaps=(("nn.Linear(z_dim, 8 * features * grid**2)", "nn.Linear(32, 8 * features * grid**2)"),),
    ),
    _decoder("channels last", "return self.layers(z).permute(0, 2, 3, 1)"),
    _decoder("flat", "return self.layers(z).flatten(1)"),
    _decoder("squeezed", "return self.layers(z).squeeze()"),
    _decoder("a constant", "return 0.0 * self.layers(z)", also=("decoder_dead_parameters",)),
    _decoder(
        "layers in a list",
        "for layer in self.plain:\n    z = layer(z)\nreturn z",
        "decoder_unregistered",
        (
            (_DECODER_INIT, f"        self.plain: list[nn.Module] = []\n{_DECODER_INIT}"),
            (
                _LAST_UP + "        )\n",
                _LAST_UP + "        )\n        self.plain = [*self.layers]\n        del self.layers\n",
            ),
        ),
    ),
    _decoder(
        "a layer never used",
        diagnosis="decoder_dead_parameters",
        swaps=((_DECODER_INIT, f"{_DECODER_INIT}        self.spare = nn.Linear(z_dim, z_dim)\n"),),
    ),
    _decoder(
        "frozen",
        diagnosis="decoder_dead_parameters",
        swaps=((_LAST_UP + "        )\n", _LAST_UP + "        ).requires_grad_(False)\n"),),
    ),
    _decoder("detached", "return self.layers(z).detach()", "decoder_dead_parameters", falls=("decoder", "training")),
    _decoder("linear layer detached", "return self.layers[1:](self.layers[0](z).detach())", "decoder_dead_parameters"),
    _decoder(
        "batch statistics in eval mode",
        diagnosis="decoder_mixes_batch",
        swaps=((_LAST_UP, f"            nn.BatchNorm2d(features, track_running_stats=False),\n{_LAST_UP}"),),
    ),
    _decoder(
        "neighbour mixed in",
        diagnosis="decoder_mixes_batch",
        forward="image = self.layers(z)\nreturn image + 0.1 * image.flip(0)",
    ),
    _decoder("batch mean subtracted", diagnosis="decoder_mixes_batch", forward="return self.layers(z - z.mean(dim=0))"),
    _decoder("dropout in eval mode", "return nn.functional.dropout(self.layers(z), 0.2)", "decoder_random"),
    _decoder("half precision out", "return self.layers(z).half()"),
    _decoder("z changed in place", "return self.layers(z.data.mul_(0.5))", also=("in_place_change",)),
    _encoder("a class of another name", swaps=(("class Encoder(", "class Enc("),), falls=("encoder", "training")),
    _decoder("a class of another name", swaps=(("class Decoder(", "class Dec("),), falls=("decoder", "training")),
    _encoder(
        "a constructor that fails",
        swaps=((_ENCODER_INIT, f"{_ENCODER_INIT}        self.out_features / 0\n"),),
        falls=("encoder", "training"),
    ),
    _decoder(
        "a constructor that fails",
        swaps=((_DECODER_INIT, "        grid = output_size // 0\n"),),
        falls=("decoder", "training"),
    ),
    _encoder(
        "another width than declared",
        diagnosis="encoder_out_features",
        forward="return self.layers(x)[:, 1:]",
        falls=("encoder", "training"),
    ),
    _encoder(
        "a layer made at the first call",
        "h = self.layers(x)\nif not hasattr(self, 'dense'):\n"
        "    self.dense = nn.Linear(h.shape[1], self.out_features)\nreturn self.dense(h)",
        "encoder_unregistered",
        falls=("encoder", "training"),
    ),
    _encoder("eval mode left behind", "self.eval()\nreturn self.layers(x)", "model_left_switched"),
)
