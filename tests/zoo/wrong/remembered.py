"""Wrong answers that remember the result of an earlier call, or overwrite it: right at the first call."""

from textwrap import indent

from tests.zoo.entry import Swap, Wrong
from tests.zoo.wrong.vae_log_likelihood import PLAIN

# What computes the right result, by task.
_RIGHT = {
    "sample": "result = self.mean + self.std * (torch.randn_like(self.mean) if noise is None else noise)",
    "kl": "result = 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)",
    "nll": "terms = math.log(2.0 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var\n"
    "result = 0.5 * torch.sum(terms, dim=tuple(dims))",
    "mode": "result = self.mean.clone()",
    "encode": "hidden = self.encoder(x)\nresult = DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
    "decode": "result = DiagonalGaussianDistribution(self.decoder(z))",
    "prior_sample": "result = self.decode(torch.randn(batch_size, self.z_dim) if noise is None else noise).mode()",
    "forward": "posterior = self.encode(x)\nlikelihood = self.decode(posterior.sample(noise))\n"
    "result = likelihood.mode(), likelihood.nll(x), posterior.kl()",
    "interpolate": "w = torch.linspace(0.0, 1.0, n_samples).unsqueeze(1)\n"
    "result = model.decode((1 - w) * z_1 + w * z_2).mode()",
    "encoder": "result = self.layers(x)",
    "decoder": "result = self.layers(z)",
}

# When nothing is remembered: a draw must be fresh, and gradients need a graph of their own.
_NEVER = {
    **dict.fromkeys(("sample", "prior_sample", "forward"), "noise is None"),
    **dict.fromkeys(("encoder", "decoder"), "self.training or torch.is_grad_enabled()"),
}

_IMPORT = "from torch import Tensor, nn\n"
_IN_THE_FILE = (_IMPORT, f"{_IMPORT}\nMEMO: dict = {{}}\n")
_DISTRIBUTION = '    def __init__(self, mean: Float[Tensor, "B *dims"]'
_IN_THE_DISTRIBUTION = (_DISTRIBUTION, f"    MEMO: dict = {{}}\n\n{_DISTRIBUTION}")
_MODEL = "    def __init__(\n        self,\n        in_channels: int = 3,\n        decoder_features"
_IN_THE_MODEL = (_MODEL, f"    MEMO: dict = {{}}\n\n{_MODEL}")

_SELF, _FILE, _CLASS = "self.__dict__.setdefault('memo', {})", "MEMO", "self.MEMO"


def _swaps(task: str, memo: str) -> tuple[Swap, ...]:
    """Return what makes the memo."""
    if memo == _CLASS:
        return (_IN_THE_DISTRIBUTION if task in ("sample", "kl", "nll", "mode") else _IN_THE_MODEL,)
    return (_IN_THE_FILE,) if memo == _FILE else ()


def _wrong(task: str, name: str, last: str, memo: str, also: tuple[str, ...]) -> Wrong:
    right = _RIGHT[task]
    always = f"if {_NEVER[task]}:\n{indent(right, '    ')}\n    return result\n" if task in _NEVER else ""
    answer, swaps = f"{always}{last}", _swaps(task, memo)
    if task in ("encoder", "decoder"):
        return Wrong(task, name, forward=answer, swaps=swaps, also=also)
    return Wrong(task, name, answer, swaps=swaps, also=also)


def _remembered(task: str, name: str, key: str, memo: str = _SELF, also: tuple[str, ...] = ()) -> Wrong:
    """Return an entry that computes a result only for a key that it does not know."""
    last = f"""
memo, key = {memo}, {key}
if key not in memo:
{indent(_RIGHT[task], "    ")}
    memo[key] = result
return memo[key]
"""
    return _wrong(task, name, last.strip(), memo, also)


def _buffer(
    task: str, name: str, memo: str = _SELF, result: str = "result", returned: str = "{}", also: tuple[str, ...] = ()
) -> Wrong:
    """Return an entry that writes each result of a shape into the same memory."""
    last = f"""
{_RIGHT[task]}
buffers, value = {memo}, {result}
key = (value.shape, value.dtype)
if key not in buffers:
    buffers[key] = torch.zeros(value.shape, dtype=value.dtype)
return {returned.format("buffers[key].detach().copy_(value)")}
"""
    return _wrong(task, name, last.strip(), memo, ("in_place_change", *also))


def _lru_cache(task: str, definition: str, also: tuple[str, ...] = ()) -> Wrong:
    margin = " " * (len(definition) - len(definition.lstrip()))
    swaps = (
        (_IMPORT, f"{_IMPORT}import functools\n"),
        (definition, f"{margin}@functools.lru_cache(maxsize=32)\n{definition}"),
    )
    return Wrong(task, "lru_cache", swaps=swaps, also=also)


def _log_likelihood(name: str, line: str, instead: str, memo: str = _SELF) -> Wrong:
    assert PLAIN.count(f"{line}\n") == 1
    answer = PLAIN.replace(f"{line}\n", f"{instead}\n").strip()
    return Wrong("log_likelihood", name, f"memo = {memo}\n{answer}", swaps=_swaps("log_likelihood", memo))


_REPEATED = "log_px = -self.decode(z).nll(x.repeat(K, 1, 1, 1))"

WRONG = (
    # The distribution
    _remembered("sample", "remembered on the object, by the shape of given noise", "noise.shape"),
    _remembered("sample", "remembered by the id of given noise", "id(noise)", _FILE),
    _remembered(
        "sample",
        "remembered in the class, by the first numbers",
        "(float(self.mean.flatten()[0]), noise.shape)",
        _CLASS,
    ),
    _buffer("sample", "a buffer of the object for given noise"),
    _lru_cache("sample", "    def sample(self, noise", ("noise_not_fresh",)),
    _remembered("kl", "remembered by the id of the mean", "id(self.mean)", _FILE),
    _remembered(
        "kl", "remembered in the class, by the id of the mean and the shape", "(id(self.mean), self.mean.shape)", _CLASS
    ),
    _remembered("kl", "remembered by the first number", "(self.mean.dtype, float(self.mean.flatten()[0]))", _FILE),
    _buffer("kl", "a buffer of the class", _CLASS),
    _remembered("nll", "remembered on the object, by dims", "tuple(dims)"),
    _remembered("nll", "remembered by the id of the sample", "(id(sample), tuple(dims))", _FILE),
    _remembered(
        "nll", "remembered in the class, by the id of the mean", "(id(self.mean), sample.shape, tuple(dims))", _CLASS
    ),
    _remembered(
        "nll",
        "remembered by the first numbers",
        "(sample.shape, tuple(dims), *(float(t.flatten()[0]) for t in (sample, self.mean)), sample.dtype)",
        _FILE,
    ),
    _buffer("nll", "a buffer of the file", _FILE),
    _remembered("mode", "remembered by the id of the mean", "id(self.mean)", _FILE),
    _remembered(
        "mode",
        "remembered by the rounded sum",
        "(self.mean.shape, self.mean.dtype, round(float(self.mean.sum()), 3))",
        _FILE,
    ),
    _buffer("mode", "a buffer of the class", _CLASS),
    # The model
    _remembered("encode", "remembered by the batch size", "len(x)"),
    _remembered("encode", "remembered by the id of the images", "id(x)", _FILE),
    _remembered("encode", "remembered by the rounded sum of the images", "(x.shape, round(float(x.sum()), 2))"),
    _buffer(
        "encode",
        "a buffer for the means",
        result="result.mean",
        returned="DiagonalGaussianDistribution({}, result.logvar)",
    ),
    _lru_cache("encode", "    def encode(self, x"),
    _remembered("decode", "remembered by the shape of the codes", "(z.shape, z.dtype)"),
    _remembered("decode", "remembered by the id and shape of the codes", "(id(z), z.shape)", _FILE),
    _remembered("decode", "remembered by the first number of the codes", "(len(z), float(z.flatten()[0]))"),
    _buffer("decode", "a buffer for the images", result="result.mean", returned="DiagonalGaussianDistribution({})"),
    _lru_cache("decode", "    def decode(self, z"),
    _remembered("prior_sample", "remembered by the batch size, for given noise", "batch_size"),
    _remembered("prior_sample", "remembered by the id of given noise", "id(noise)", _FILE),
    _remembered(
        "prior_sample",
        "remembered in the class, by the rounded sum of given noise",
        "(noise.shape, round(float(noise.sum()), 2))",
        _CLASS,
    ),
    _buffer("prior_sample", "a buffer for the images of given noise"),
    _remembered("forward", "remembered by the batch size, for given noise", "len(x)"),
    _remembered("forward", "remembered by the ids of images and noise", "(id(x), id(noise))", _FILE),
    _remembered("forward", "remembered by the first number of given noise", "(noise.shape, float(noise.flatten()[0]))"),
    _remembered("forward", "remembered in the class, by the id of the images", "(id(x), noise.shape)", _CLASS),
    _buffer(
        "forward",
        "a buffer for the reconstruction of given noise",
        result="result[0]",
        returned="({}, *result[1:])",
    ),
    _log_likelihood(
        "posterior remembered by the shape of the images",
        "q = self.encode(x)",
        "q = memo[x.shape] = memo.get(x.shape) or self.encode(x)",
    ),
    _log_likelihood(
        "posterior remembered by the id of the images",
        "q = self.encode(x)",
        "q = memo[id(x)] = memo.get(id(x)) or self.encode(x)",
        _FILE,
    ),
    _log_likelihood(
        "repeated images remembered by K and shape",
        _REPEATED,
        "key = (K, x.shape)\nif key not in memo:\n    memo[key] = x.repeat(K, 1, 1, 1)\n"
        "log_px = -self.decode(z).nll(memo[key])",
    ),
    # The walk
    _remembered("interpolate", "remembered by n_samples", "n_samples", _FILE),
    _remembered("interpolate", "remembered by the id of z_1", "(id(z_1), n_samples)", _FILE),
    _remembered(
        "interpolate", "remembered by the first numbers", "(n_samples, float(z_1[0, 0]), float(z_2[0, 0]))", _FILE
    ),
    _remembered(
        "interpolate",
        "remembered on the model, by the shapes",
        "(n_samples, z_1.shape)",
        "model.__dict__.setdefault('paths', {})",
    ),
    _buffer("interpolate", "a buffer of the file", _FILE),
    _lru_cache("interpolate", "def interpolate("),
    # Encoder and Decoder
    _remembered("encoder", "remembered by the shape, without gradients", "x.shape", also=("encoder_mixes_batch",)),
    _remembered(
        "encoder", "remembered by the id of the images, without gradients", "id(x)", _FILE, ("encoder_out_features",)
    ),
    _remembered("encoder", "remembered by the rounded sum, without gradients", "(x.shape, round(float(x.sum()), 2))"),
    _buffer("encoder", "a buffer, without gradients", also=("encoder_mixes_batch",)),
    _remembered("decoder", "remembered by the shape, without gradients", "z.shape", also=("decoder_mixes_batch",)),
    _remembered("decoder", "remembered by the id of the codes, without gradients", "id(z)", _FILE),
    _remembered("decoder", "remembered by the first number, without gradients", "(z.shape, float(z[0, 0]))"),
    _buffer("decoder", "a buffer, without gradients", also=("decoder_mixes_batch",)),
)
