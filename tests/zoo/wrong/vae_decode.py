"""Wrong answers to `decode`."""

from tests.zoo.entry import Wrong


def _mean(name: str, mean: str, diagnosis: str = "", logvar: str = "") -> Wrong:
    more = f", {logvar}" if logvar else ""
    answer = f"image = self.decoder(z)\nreturn DiagonalGaussianDistribution({mean}{more})"
    return Wrong("decode", name, answer, diagnosis=diagnosis)


WRONG = (
    _mean("sigmoid", "image.sigmoid()", "decode_sigmoid"),
    _mean("tanh", "image.tanh()", "decode_tanh"),
    _mean("image as log-variance", "image", "decode_mean_as_logvar", "image"),
    _mean("clamped", "image.clamp(-1.0, 1.0)", "decode_clamped"),
    _mean("negated", "-image", "decode_negated"),
    _mean("one as log-variance", "image", "", "torch.ones_like(image)"),
    _mean("small variance", "image", "", "torch.full_like(image, -2.0)"),
    _mean("turned on its side", "image.transpose(2, 3)"),
    _mean("scaled to bytes", "127.5 * (image + 1.0)"),
    _mean("right for one code only", "image.mean(0, keepdim=True).expand_as(image)"),
    _mean("right in train mode only", "image if self.training else image.clamp(-1.0, 1.0)", "decode_clamped"),
    _mean("right in eval mode only", "nn.functional.dropout(image, 0.1, self.training)"),
    _mean("squeezed", "image.squeeze(0)"),
    _mean("flat", "image.flatten(1)"),
    _mean("bfloat16 inside", "image.bfloat16().to(image.dtype)"),
    _mean("always float32", "image.float()"),
    _mean("detached", "image.detach()", "gradient_cut"),
    Wrong(
        "decode",
        "code detached",
        "return DiagonalGaussianDistribution(self.decoder(z.detach()))",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "decode",
        "no_grad",
        "with torch.no_grad():\n    return DiagonalGaussianDistribution(self.decoder(z))",
        diagnosis="gradient_cut",
    ),
    Wrong(
        "decode",
        "code normalised",
        "return DiagonalGaussianDistribution(self.decoder(z / z.norm(dim=1, keepdim=True)))",
    ),
    Wrong(
        "decode",
        "code changed in place",
        "z.data.mul_(1.0 + 1e-9)\nreturn DiagonalGaussianDistribution(self.decoder(z))",
        diagnosis="in_place_change",
    ),
    Wrong(
        "decode",
        "noise added to the code",
        "return DiagonalGaussianDistribution(self.decoder(z + torch.randn_like(z)))",
    ),
    Wrong("decode", "an image", "return self.decoder(z)"),
    Wrong("decode", "a method of another name", swaps=(("    def decode(self", "    def decoding(self"),)),
    _mean("one number as log-variance", "image", "", "torch.zeros(1)"),
    Wrong(
        "decode",
        "a learned variance, one at first",
        "image = self.decoder(z)\nreturn DiagonalGaussianDistribution(image, self.log_var.expand_as(image))",
        swaps=(
            (
                "        self.to(device)\n",
                "        self.log_var = nn.Parameter(torch.zeros(1))\n        self.to(device)\n",
            ),
        ),
    ),
)
