"""Wrong answers that leave out a part of their input: a dimension, a channel, some pixels, a row of the batch."""

from tests.zoo.entry import Wrong
from tests.zoo.wrong.vae_log_likelihood import PLAIN


def _encoder(name: str, x: str, before: str = "") -> Wrong:
    return Wrong("encoder", name, forward=f"{before}\nreturn self.layers({x})".strip())


def _decoder(name: str, z: str) -> Wrong:
    return Wrong("decoder", name, forward=f"return self.layers({z})")


def _encode(name: str, mean: str = "hidden", logvar: str = "hidden", x: str = "x", after: str = "") -> Wrong:
    answer = f"""
hidden = self.encoder({x})
mean, logvar = self.mean({mean}), self.logvar({logvar})
{after}
return DiagonalGaussianDistribution(mean, logvar)
"""
    return Wrong("encode", name, answer.replace("\n\n", "\n").strip())


def _decode(name: str, z: str = "z", image: str = "image") -> Wrong:
    return Wrong("decode", name, f"image = self.decoder({z})\nreturn DiagonalGaussianDistribution({image})")


def _prior_sample(name: str, given: str) -> Wrong:
    draw = "torch.randn(batch_size, self.z_dim)"
    return Wrong("prior_sample", name, f"z = {draw} if noise is None else {given}\nreturn self.decode(z).mode()")


def _forward(
    name: str, nll: str = "likelihood.nll(x)", kl: str = "posterior.kl()", x: str = "x", noise: str = "noise"
) -> Wrong:
    answer = f"""
posterior = self.encode({x})
noise = torch.randn_like(posterior.mean) if noise is None else {noise}
likelihood = self.decode(posterior.sample(noise))
image = likelihood.mode()
return image, {nll}, {kl}
"""
    return Wrong("forward", name, answer.strip())


def _log_likelihood(name: str, line: str, instead: str) -> Wrong:
    assert PLAIN.count(f"{line}\n") == 1
    return Wrong("log_likelihood", name, PLAIN.replace(f"{line}\n", f"{instead}\n").strip())


def _interpolate(name: str, z: str) -> Wrong:
    weight = "w = torch.linspace(0.0, 1.0, n_samples).unsqueeze(1)"
    return Wrong("interpolate", name, f"{weight}\nz = (1 - w) * z_1 + w * z_2\nreturn model.decode({z}).mode()")


_ALL_BUT_LAST = "(torch.arange(self.z_dim) < self.z_dim - 1)"
_RED_AND_GREEN = "(torch.arange(x.shape[1]) < 2).view(-1, 1, 1)"
_HALF = "half = x.shape[-1] // 2"
_QUARTER = "quarter = x.shape[-1] // 4"
_LOG_PX = "log_px = -self.decode(z).nll(x.repeat(K, 1, 1, 1))"
_LOG_PZ = "log_pz = -unit.nll(z, dims=[1])"
_LOG_QZ = "log_qz = -unit.nll(noise, dims=[1]) - 0.5 * q.logvar.repeat(K, 1).sum(dim=1)"
_PLAIN_NOISE = "noise = torch.randn(K * B, self.z_dim, dtype=x.dtype)"

WRONG = (
    # Encoder: channels, then pixels
    _encoder("the first channel for all", "x[:, :1].expand_as(x)"),
    _encoder("two channels only", f"x * {_RED_AND_GREEN}"),
    _encoder("the last channel left out in eval mode", f"x if self.training else x * {_RED_AND_GREEN}"),
    _encoder("the top left quarter only", "nn.functional.pad(x[:, :, :half, :half], (0, half, 0, half))", _HALF),
    _encoder("the right half left out", "nn.functional.pad(x[:, :, :, :half], (0, half))", _HALF),
    _encoder("the left half mirrored", "torch.cat([x[..., :half], x[..., :half].flip(-1)], dim=-1)", _HALF),
    _encoder("the lower quarter left out", "nn.functional.pad(x[:, :, :-quarter], (0, 0, 0, quarter))", _QUARTER),
    _encoder("the last quarter of columns left out", "nn.functional.pad(x[..., :-quarter], (0, quarter))", _QUARTER),
    _encoder("the centre only", "nn.functional.pad(x[:, :, n:-n, n:-n], (n, n, n, n))", "n = x.shape[-1] // 4"),
    _encoder(
        "the centre enlarged",
        "nn.functional.interpolate(x[:, :, n:-n, n:-n], scale_factor=2)",
        "n = x.shape[-1] // 4",
    ),
    _encoder(
        "at most 32 pixels",
        "nn.functional.pad(x[:, :, :32, :32], (0, rest, 0, rest))",
        "rest = max(x.shape[-1] - 32, 0)",
    ),
    # Decoder
    _decoder("the first dimension for all", "z[:, :1].expand_as(z)"),
    _decoder("the first dimension only", "z * (torch.arange(z.shape[1]) == 0)"),
    _decoder("the last dimension left out", "torch.cat([z[:, :-1], torch.zeros_like(z[:, -1:])], dim=1)"),
    _decoder("two dimensions only", "z * (torch.arange(z.shape[1]) < 2)"),
    _decoder(
        "the last dimension left out in eval mode",
        "z if self.training else z * (torch.arange(z.shape[1]) < z.shape[1] - 1)",
    ),
    Wrong(
        "decoder",
        "the first layer one dimension narrower",
        forward="return self.layers(z[:, 1:])",
        swaps=(("nn.Linear(z_dim, 8 * features * grid**2)", "nn.Linear(z_dim - 1, 8 * features * grid**2)"),),
    ),
    # The distribution
    Wrong(
        "sample",
        "given noise of the last dimension not used",
        "if noise is None:\n    noise = torch.randn_like(self.mean)\nelse:\n"
        "    noise = torch.cat([noise[..., :-1], torch.zeros_like(noise[..., -1:])], dim=-1)\n"
        "return self.mean + self.std * noise",
    ),
    Wrong(
        "sample",
        "the first row's std for all",
        "noise = torch.randn_like(self.mean) if noise is None else noise\nreturn self.mean + self.std[:1] * noise",
    ),
    Wrong(
        "kl",
        "the last dimension left out",
        "terms = self.mean**2 + self.var - 1.0 - self.logvar\nreturn 0.5 * terms[:, :-1].sum(dim=1)",
    ),
    Wrong(
        "kl",
        "eight dimensions at most",
        "terms = self.mean**2 + self.var - 1.0 - self.logvar\nreturn 0.5 * terms[:, :8].sum(dim=1)",
    ),
    Wrong(
        "kl",
        "the first row's variance for all",
        "terms = self.mean**2 + self.var[:1] - 1.0 - self.logvar[:1]\nreturn 0.5 * terms.sum(dim=1)",
    ),
    Wrong(
        "nll",
        "the first variance of a row for all",
        "terms = math.log(2.0 * math.pi) + self.logvar[:, :1] + (sample - self.mean) ** 2 / self.var[:, :1]\n"
        "return 0.5 * torch.sum(terms, dim=tuple(dims))",
    ),
    Wrong(
        "nll",
        "the last column left out",
        "terms = math.log(2.0 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var\n"
        "return 0.5 * torch.sum(terms[..., :-1], dim=tuple(dims))",
    ),
    Wrong("mode", "the first row in place of the last", "return torch.cat([self.mean[:-1], self.mean[:1]])"),
    # The model
    _encode("two channels only", x=f"x * {_RED_AND_GREEN}"),
    _encode("the lower half left out", x="x * (torch.arange(x.shape[2]) < x.shape[2] // 2).view(-1, 1)"),
    _encode("the first image's log-variance for all", logvar="hidden[:1].expand_as(hidden)"),
    _encode("the first image's mean for all", mean="hidden[:1].expand_as(hidden)"),
    _encode("the last dimension's mean left out", after=f"mean = mean * {_ALL_BUT_LAST}"),
    _encode("the last dimension's log-variance left out", after=f"logvar = logvar * {_ALL_BUT_LAST}"),
    _decode("the last dimension left out", z=f"z * {_ALL_BUT_LAST}"),
    _decode("the first code for all", z="z[:1].expand_as(z)"),
    _decode("the third channel left out", image="image * (torch.arange(image.shape[1]) < 2).view(-1, 1, 1)"),
    _decode("the last row of pixels left out", image="nn.functional.pad(image[:, :, :-1], (0, 0, 0, 1))"),
    _prior_sample("given noise of the last dimension not used", f"noise * {_ALL_BUT_LAST}"),
    _prior_sample(
        "given noise of the last dimension drawn anew",
        "torch.cat([noise[:, :-1], torch.randn_like(noise[:, -1:])], dim=1)",
    ),
    _prior_sample("given noise of the last row not used", "torch.cat([noise[:-1], noise[:1]])"),
    _forward("the third channel left out of nll", nll="DiagonalGaussianDistribution(image[:, :2]).nll(x[:, :2])"),
    _forward("the third channel's error left out", nll="likelihood.nll(torch.cat([x[:, :2], image[:, 2:]], dim=1))"),
    _forward(
        "the border left out of nll",
        nll="DiagonalGaussianDistribution(image[:, :, 1:-1, 1:-1]).nll(x[:, :, 1:-1, 1:-1])",
    ),
    _forward(
        "the last row of pixels left out of nll", nll="DiagonalGaussianDistribution(image[:, :, :-1]).nll(x[:, :, :-1])"
    ),
    _forward(
        "the last dimension left out of kl",
        kl="DiagonalGaussianDistribution(posterior.mean[:, :-1], posterior.logvar[:, :-1]).kl()",
    ),
    _forward("the first image's kl for all", kl="posterior.kl()[:1].expand(len(x))"),
    _forward("given noise of the last dimension not used", noise=f"noise * {_ALL_BUT_LAST}"),
    _forward("given noise of the first row for all", noise="noise[:1].expand_as(noise)"),
    _forward("two channels encoded only", x=f"x * {_RED_AND_GREEN}"),
    _log_likelihood(
        "the last dimension left out of the prior",
        _LOG_PZ,
        "log_pz = -DiagonalGaussianDistribution(torch.zeros_like(z[:, 1:])).nll(z[:, :-1], dims=[1])",
    ),
    _log_likelihood(
        "the last dimension left out of the posterior",
        _LOG_QZ,
        "log_qz = -0.5 * (noise**2 + math.log(2 * math.pi) + q.logvar.repeat(K, 1))[:, :-1].sum(dim=1)",
    ),
    _log_likelihood(
        "the third channel left out of p(x|z)",
        _LOG_PX,
        "image = self.decode(z).mode()[:, :2]\n"
        "log_px = -DiagonalGaussianDistribution(image).nll(x[:, :2].repeat(K, 1, 1, 1))",
    ),
    _log_likelihood(
        "the last row of pixels left out of p(x|z)",
        _LOG_PX,
        "image = self.decode(z).mode()[:, :, :-1]\n"
        "log_px = -DiagonalGaussianDistribution(image).nll(x[:, :, :-1].repeat(K, 1, 1, 1))",
    ),
    _log_likelihood("the first image's posterior for all", "q = self.encode(x)", "q = self.encode(x[:1].expand_as(x))"),
    _log_likelihood("no noise in the last dimension", _PLAIN_NOISE, f"{_PLAIN_NOISE}\nnoise = noise * {_ALL_BUT_LAST}"),
    # The walk
    _interpolate("the first dimension moves only", "torch.cat([z[:, :1], z_1[:, 1:].expand(n_samples, -1)], dim=1)"),
    _interpolate("the last dimension stays", "torch.cat([z[:, :-1], z_1[:, -1:].expand(n_samples, -1)], dim=1)"),
    _interpolate("the last dimension zero", "torch.cat([z[:, :-1], torch.zeros(n_samples, 1)], dim=1)"),
)
