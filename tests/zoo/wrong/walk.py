"""Wrong answers to `interpolate`."""

from tests.zoo.entry import Wrong


def _path(
    name: str, weight: str, z: str = "(1 - w) * z_1 + w * z_2", result: str = "mode()", diagnosis: str = ""
) -> Wrong:
    answer = f"w = ({weight}).unsqueeze(1)\nreturn model.decode({z}).{result}"
    return Wrong("interpolate", name, answer, diagnosis=diagnosis)


_EVEN = "torch.linspace(0, 1, n_samples)"

WRONG = (
    _path("reversed", _EVEN, "w * z_1 + (1 - w) * z_2", diagnosis="interpolate_reversed"),
    Wrong(
        "interpolate",
        "reversed, codes stacked with an axis of one",
        f"steps = {_EVEN}\ncodes = torch.stack([t * z_1 + (1 - t) * z_2 for t in steps])\n"
        "return model.decoder(codes).reshape(n_samples, *model.decoder(z_1).shape[1:])",
        diagnosis="interpolate_reversed",
    ),
    _path("without end points", "torch.linspace(0, 1, n_samples + 2)[1:-1]", diagnosis="interpolate_without_ends"),
    _path("without the last", "torch.arange(n_samples) / n_samples", diagnosis="interpolate_without_last"),
    _path("without the first", "torch.arange(1, n_samples + 1) / n_samples"),
    Wrong(
        "interpolate",
        "in pixels",
        f"w = {_EVEN}.view(-1, 1, 1, 1)\nreturn (1 - w) * model.decode(z_1).mode() + w * model.decode(z_2).mode()",
        diagnosis="interpolate_in_pixels",
    ),
    Wrong(
        "interpolate",
        "spherical",
        f"w = {_EVEN}.unsqueeze(1)\nangle = torch.acos(nn.functional.cosine_similarity(z_1, z_2))\n"
        "z = (torch.sin((1 - w) * angle) * z_1 + torch.sin(w * angle) * z_2) / torch.sin(angle)\n"
        "return model.decode(z).mode()",
        diagnosis="interpolate_spherical",
    ),
    _path("constant", _EVEN, "z_1 + 0 * w", diagnosis="interpolate_constant"),
    _path("weights that do not add up to one", _EVEN, "z_1 + w * z_2", diagnosis="interpolate_weights_add"),
    Wrong(
        "interpolate",
        "random codes",
        "return model.decode(torch.randn(n_samples, z_1.shape[1])).mode()",
        diagnosis="interpolate_random_codes",
    ),
    _path("random weights", "torch.rand(n_samples).sort().values", diagnosis="interpolate_random_codes"),
    _path("uneven", f"({_EVEN} ** 2)"),
    _path("smooth at the ends", f"(0.5 - 0.5 * torch.cos(math.pi * {_EVEN}))"),
    _path("right for two images only", f"{_EVEN}.round()"),
    _path("right for three images only", "torch.tensor([0.0, 0.5, 1.0])"),
    _path("ten images always", "torch.linspace(0, 1, 10)"),
    _path("one image too many", "torch.linspace(0, 1, n_samples + 1)"),
    _path("end points beside n_samples", "torch.linspace(0, 1, n_samples + 2)"),
    _path("rounding adds an image", "torch.arange(0, 1 + 1 / (n_samples - 1), 1 / (n_samples - 1))"),
    _path("integer weights", "(torch.arange(n_samples) // (n_samples - 1)).float()"),
    _path("half precision weights", f"{_EVEN}.bfloat16().float()"),
    _path("a draw of the pixels", _EVEN, result="sample()", diagnosis="interpolate_random_codes"),
    _path("clamped to pixels", _EVEN, result="mode().clamp(-1.0, 1.0)"),
    _path("a distribution", _EVEN, result="mode"),
    _path("flat images", _EVEN, result="mode().flatten(1)"),
    _path("right in eval mode only", f"({_EVEN} ** (2 if model.training else 1))"),
    _path(
        "weights along the code",
        "torch.linspace(0, 1, z_1.shape[1])",
        "((1 - w.T) * z_1 + w.T * z_2).repeat(n_samples, 1)",
    ),
    Wrong("interpolate", "a list", f"w = {_EVEN}\nreturn [model.decode((1 - a) * z_1 + a * z_2).mode() for a in w]"),
    Wrong(
        "interpolate",
        "steps added in place",
        "step = (z_2 - z_1) / (n_samples - 1)\nimages = [model.decode(z_1).mode()]\n"
        "for _ in range(n_samples - 1):\n    z_1 += step\n    images.append(model.decode(z_1).mode())\n"
        "return torch.cat(images)",
        diagnosis="in_place_change",
    ),
    Wrong(
        "interpolate",
        "code sampled around",
        f"w = {_EVEN}.unsqueeze(1)\nz = DiagonalGaussianDistribution((1 - w) * z_1 + w * z_2).sample()\n"
        "return model.decode(z).mode()",
        diagnosis="interpolate_random_codes",
    ),
    Wrong("interpolate", "a function of another name", swaps=(("def interpolate(", "def walk("),)),
    Wrong(
        "interpolate",
        "right for contiguous codes only",
        "z_1, z_2 = (z.as_strided(z.shape, (z.shape[1], 1)) for z in (z_1, z_2))\n"
        f"w = {_EVEN}.unsqueeze(1)\nreturn model.decode((1 - w) * z_1 + w * z_2).mode()",
    ),
    _path("only half of the way", "torch.linspace(0, 0.5, n_samples)"),
    _path("the first image twice", "torch.linspace(0, 1, n_samples - 1)", "torch.cat([z_1, (1 - w) * z_1 + w * z_2])"),
    Wrong(
        "interpolate",
        "eval mode left behind",
        f"model.eval()\nw = {_EVEN}.unsqueeze(1)\nreturn model.decode((1 - w) * z_1 + w * z_2).mode()",
        diagnosis="model_left_switched",
    ),
)
