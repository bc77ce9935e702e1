"""Wrong answers that fail for tensors which are not contiguous, or read other numbers of their memory."""

from tests.zoo.entry import Wrong

_LOG_2_PI = "math.log(2.0 * math.pi)"
_DRAWN = "noise = torch.randn_like(self.mean) if noise is None else noise\n"


def _nll(name: str, before: str, sample: str = "sample", mean: str = "self.mean", var: str = "self.var") -> Wrong:
    terms = f"{_LOG_2_PI} + self.logvar + ({sample} - {mean}) ** 2 / {var}"
    return Wrong("nll", name, f"{before}\nreturn 0.5 * torch.sum({terms}, dim=tuple(dims))".strip())


def _kl(name: str, mean: str = "self.mean", var: str = "self.var") -> Wrong:
    return Wrong("kl", name, f"return 0.5 * torch.sum({mean} ** 2 + {var} - 1.0 - self.logvar, dim=1)")


def _sample(name: str, noise: str = "noise", std: str = "self.std", before: str = "") -> Wrong:
    return Wrong("sample", name, f"{_DRAWN}{before}return self.mean + {std} * {noise}")


def _interpolate(name: str, z: str, before: str = "") -> Wrong:
    weight = "w = torch.linspace(0.0, 1.0, n_samples).unsqueeze(1)\n"
    return Wrong("interpolate", name, f"{before}{weight}return model.decode({z}).mode()")


def _as_if_contiguous(tensor: str) -> str:
    return f"torch.as_strided({tensor}, {tensor}.shape, torch.empty({tensor}.shape).stride())"


_PATH = "(1 - w) * z_1 + w * z_2"
_STORAGE = "torch.empty(0, dtype={0}.dtype).set_({0}.untyped_storage(), {0}.storage_offset(), {0}.shape)"

WRONG = (
    # nll
    _nll("view of the sample, row by row", "", sample="sample.view(len(sample), -1).view(sample.shape)"),
    _nll(
        "view of the sample as one row",
        "flat = sample.view(-1) - self.mean.reshape(-1)",
        "flat.view(sample.shape)",
        "0.0",
    ),
    _nll("view of the mean", "flat = sample.reshape(-1) - self.mean.view(-1)", "flat.view(sample.shape)", "0.0"),
    _nll("view of the variance, row by row", "", var="self.var.view(len(sample), -1).view(sample.shape)"),
    _nll(
        "view of images only",
        "if sample.dim() == 4:\n    sample = sample.view(len(sample), -1).view(sample.shape)",
    ),
    _nll("memory of the sample read in order", "", sample=_as_if_contiguous("sample")),
    _nll("memory of the mean read in order", "", mean=_as_if_contiguous("self.mean")),
    _nll(
        "memory of images read in order",
        f"if sample.dim() == 4:\n    sample = {_as_if_contiguous('sample')}",
    ),
    # kl
    _kl("view of the mean", mean="self.mean.view(-1).view(self.mean.shape)"),
    _kl("view of the variance", var="self.var.view(-1).view(self.var.shape)"),
    _kl("memory of the mean read in order", mean=_as_if_contiguous("self.mean")),
    _kl("memory of the variance read in order", var=_as_if_contiguous("self.var")),
    # mode
    Wrong("mode", "view of the mean", "return self.mean.view(-1).view(self.mean.shape)"),
    Wrong("mode", "view of images", "return self.mean.view(len(self.mean), -1).view(self.mean.shape)"),
    Wrong("mode", "memory read in order", f"return {_as_if_contiguous('self.mean')}"),
    # sample
    _sample("view of the noise", "noise.view(-1).view(noise.shape)"),
    _sample("view of the noise, row by row", "noise.view(len(noise), -1).view(noise.shape)"),
    _sample("view of the standard deviation", std="self.std.view(-1).view(self.std.shape)"),
    _sample("memory of the noise read in order", _as_if_contiguous("noise")),
    _sample("memory of the noise as its storage holds it", "noise", before=f"noise = {_STORAGE.format('noise')}\n"),
    _sample(
        "noise through numpy, in the order of memory",
        before='flat = noise.detach().numpy().ravel(order="K")\nnoise = torch.from_numpy(flat).view(noise.shape)\n',
    ),
    # interpolate
    _interpolate("memory of z_1 read in order", _PATH, f"z_1 = {_as_if_contiguous('z_1')}\n"),
    _interpolate("memory of z_2 read in order", _PATH, f"z_2 = {_as_if_contiguous('z_2')}\n"),
    _interpolate("z_1 as its storage holds it", _PATH, f"z_1 = {_STORAGE.format('z_1')}\n"),
    _interpolate(
        "codes repeated in memory",
        "a + w * (b - a)",
        "a, b = (z.as_strided((n_samples, z.shape[1]), (0, 1)) for z in (z_1, z_2))\n",
    ),
    _interpolate(
        "numbers of the storage",
        "a + w * (b - a)",
        "a, b = (torch.tensor(z.untyped_storage().tolist(), dtype=torch.uint8).view(z.dtype)[: z.numel()]"
        " for z in (z_1, z_2))\n",
    ),
)
