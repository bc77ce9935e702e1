"""Wrong answers that lose an axis of length 1: right for three channels, several dimensions, images and codes."""

from tests.zoo.entry import Wrong
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_LOG_2_PI = "math.log(2.0 * math.pi)"
_DRAWN = "noise = torch.randn_like(self.mean) if noise is None else noise\n"


def _nll(name: str, terms: str) -> Wrong:
    return Wrong("nll", name, f"return 0.5 * torch.sum({terms}, dim=tuple(dims))")


def _encode(name: str, mean: str, logvar: str) -> Wrong:
    answer = (
        f"mean, logvar = self.mean(self.encoder(x)), self.logvar(self.encoder(x))\n"
        f"return DiagonalGaussianDistribution({mean}, {logvar})"
    )
    return Wrong("encode", name, answer)


def _decode(name: str, z: str = "z", image: str = "image") -> Wrong:
    return Wrong("decode", name, f"image = self.decoder({z})\nreturn DiagonalGaussianDistribution({image})")


def _prior_sample(name: str, z: str = "z", result: str = "mode()") -> Wrong:
    drawn = "z = torch.randn(batch_size, self.z_dim) if noise is None else noise"
    return Wrong("prior_sample", name, f"{drawn}\nreturn self.decode({z}).{result}")


def _forward(
    name: str, reconstruction: str = "image", nll: str = "likelihood.nll(x)", kl: str = "q.kl()", z: str = "z"
) -> Wrong:
    answer = f"""
q = self.encode(x)
z = q.sample(noise)
likelihood = self.decode({z})
image = likelihood.mode()
return {reconstruction}, {nll}, {kl}
"""
    return Wrong("forward", name, answer.strip())


def _log_likelihood(name: str, line: str, instead: str) -> Wrong:
    assert PLAIN.count(line) == 1
    return Wrong("log_likelihood", name, PLAIN.replace(line, instead).strip())


def _interpolate(name: str, z: str, result: str = "mode()") -> Wrong:
    weight = "w = torch.linspace(0.0, 1.0, n_samples)"
    return Wrong("interpolate", name, f"{weight}\nz = {z}\nreturn model.decode(z).{result}")


_PATH = "torch.lerp(z_1, z_2, w[:, None])"

WRONG = (
    # z = 1 or C = 1, in the distribution
    Wrong("sample", "second axis of length 1 lost", f"{_DRAWN}return (self.mean + self.std * noise).squeeze(1)"),
    Wrong("sample", "noise of one dimension broadcast", f"{_DRAWN}return self.mean + self.std * noise.squeeze(1)"),
    Wrong(
        "sample",
        "std of one dimension that of the first row",
        f"{_DRAWN}std = self.std if self.std.shape[1] > 1 else self.std[:1]\nreturn self.mean + std * noise",
    ),
    Wrong(
        "kl",
        "one dimension summed over the rows",
        "terms = (self.mean**2 + self.var - 1.0 - self.logvar).squeeze(1)\n"
        "return 0.5 * terms.sum(dim=-1).expand(len(self.mean))",
    ),
    Wrong(
        "kl",
        "mean of one dimension crosswise",
        "return 0.5 * torch.sum(self.mean.squeeze(1) ** 2 + self.var - 1.0 - self.logvar, dim=1)",
    ),
    Wrong(
        "kl",
        "one row as one distribution",
        "terms = (self.mean**2 + self.var - 1.0 - self.logvar).squeeze(0)\nreturn 0.5 * terms.sum(dim=-1)",
    ),
    _nll(
        "sample's second axis of length 1 lost",
        f"{_LOG_2_PI} + self.logvar + (sample.squeeze(1) - self.mean) ** 2 / self.var",
    ),
    _nll(
        "variance's second axis of length 1 lost",
        f"{_LOG_2_PI} + self.logvar + (sample - self.mean) ** 2 / self.var.squeeze(1)",
    ),
    _nll(
        "grey images only lose their channel",
        f"{_LOG_2_PI} + self.logvar + "
        "((sample.squeeze(1) if sample.dim() == 4 else sample) - self.mean) ** 2 / self.var",
    ),
    Wrong(
        "nll",
        "log-variance of one dimension that of the first row",
        "logvar = self.logvar[:1] if self.logvar.shape[1] == 1 else self.logvar\n"
        f"return 0.5 * torch.sum({_LOG_2_PI} + logvar + (sample - self.mean) ** 2 / self.var, dim=tuple(dims))",
    ),
    Wrong("mode", "second axis of length 1 lost", "return self.mean.squeeze(1)"),
    Wrong(
        "mode", "grey images lose their channel", "return self.mean.squeeze(-3) if self.mean.dim() > 2 else self.mean"
    ),
    # The model
    _encode("one dimension loses its axis", "mean.squeeze(1)", "logvar.squeeze(1)"),
    _encode("mean of one dimension loses its axis", "mean.squeeze(-1)", "logvar"),
    _encode(
        "log-variance of one dimension that of the first image",
        "mean",
        "logvar[:1].expand_as(logvar) if logvar.shape[1] == 1 else logvar",
    ),
    Wrong(
        "encode",
        "grey images lose their channel",
        "hidden = self.encoder(x.squeeze(1))\n"
        "return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))",
    ),
    _decode("grey images lose their channel", image="image.squeeze(1)"),
    _decode("log-variance of grey images loses its channel", image="image, torch.zeros_like(image.squeeze(1))"),
    _decode("codes of one dimension lose their axis", z="z.squeeze(-1)"),
    _prior_sample("grey images lose their channel", result="mode().squeeze(1)"),
    _prior_sample("codes of one dimension lose their axis", z="z.squeeze(-1)"),
    _prior_sample(
        "codes of one dimension: the first for all", z="z if self.z_dim > 1 else z[:1].expand(batch_size, -1)"
    ),
    _forward("reconstruction of grey images loses its channel", reconstruction="image.squeeze(1)"),
    _forward("nll of grey images crosswise", nll="DiagonalGaussianDistribution(image.squeeze(1)).nll(x)"),
    _forward(
        "squared error of grey images crosswise",
        nll=f"0.5 * ((x - image.squeeze(1)) ** 2 + {_LOG_2_PI}).sum((1, 2, 3))",
    ),
    _forward("code of one dimension loses its axis", z="z.squeeze(1)"),
    _forward("kl of one dimension crosswise", kl="0.5 * (q.mean.squeeze(1) ** 2 + q.var - 1.0 - q.logvar).sum(dim=1)"),
    _log_likelihood(
        "one weight summed over the images",
        "return torch.logsumexp(log_w, dim=0) - math.log(K)",
        "return torch.logsumexp(log_w.squeeze(0), dim=0).expand(B) - math.log(K)",
    ),
    _log_likelihood(
        "prior of one dimension summed over all codes",
        "log_pz = -unit.nll(z, dims=[1])",
        f"log_pz = -0.5 * (z.squeeze(1) ** 2 + {_LOG_2_PI}).sum(dim=-1)",
    ),
    _log_likelihood(
        "log-determinant of one dimension summed over all codes",
        "0.5 * q.logvar.repeat(K, 1).sum(dim=1)",
        "0.5 * q.logvar.repeat(K, 1).squeeze(1).sum(dim=-1)",
    ),
    _log_likelihood(
        "grey images summed over all codes",
        "log_px = -self.decode(z).nll(x.repeat(K, 1, 1, 1))",
        "error = (x.repeat(K, 1, 1, 1) - self.decode(z).mode()).squeeze(1)\n"
        f"log_px = -0.5 * (error**2 + {_LOG_2_PI}).sum(dim=(-3, -2, -1))",
    ),
    _log_likelihood(
        "codes of one dimension lose their axis", "log_px = -self.decode(z)", "log_px = -self.decode(z.squeeze(1))"
    ),
    # The walk
    _interpolate("grey images lose their channel", _PATH, "mode().squeeze(1)"),
    _interpolate(
        "codes of one dimension lose their axis",
        "torch.stack([torch.lerp(z_1.squeeze(), z_2.squeeze(), a) for a in w])",
    ),
    _interpolate("path of one dimension loses its axis", f"{_PATH}.squeeze(-1)"),
    _interpolate(
        "path of one dimension constant", "z_1 + (z_2 - z_1) * (w[:, None] if z_1.numel() > 1 else w[:1, None])"
    ),
    # Encoder and Decoder
    Wrong("encoder", "one image loses its axis", forward="return self.layers(x).squeeze(0)"),
    Wrong("encoder", "grey images lose their channel", forward="return self.layers(x.squeeze(1))"),
    Wrong("decoder", "grey images lose their channel", forward="return self.layers(z).squeeze(1)"),
    Wrong("decoder", "codes of one dimension lose their axis", forward="return self.layers(z.squeeze(1))"),
)
