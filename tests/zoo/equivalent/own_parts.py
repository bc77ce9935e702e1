"""Files that work with their own parts only: beginners call what they wrote themselves in ways of their own.

Their methods take other arguments, read attributes of their own Encoder and Decoder, pass codes with extra axes of
length 1, or know float32 alone. Most are right; some get one task wrong, and must lose exactly its points.
"""

from textwrap import dedent, indent

from tests.zoo.entry import Equivalent, Swap

_DIMS = "dims: Sequence[int] = (1, 2, 3)"
_VAR = "        self.var = torch.exp(self.logvar)\n"


def _arguments_of_nll(what: str) -> Swap:
    """Return the swap that gives nll other arguments after `sample`."""
    return (_DIMS, what)


def _in_the_distribution(lines: str) -> Swap:
    """Return the swap that adds lines to the constructor of DiagonalGaussianDistribution."""
    return (_VAR, _VAR + indent(dedent(lines).lstrip("\n"), " " * 8))


def _methods(of: str, code: str) -> Swap:
    """Return the swap that adds methods to a class."""
    following = {
        "Encoder": "\n# ## Task `decoder`\n",
        "Decoder": "\nclass DiagonalGaussianDistribution:\n",
        "DiagonalGaussianDistribution": "\nclass VAE(nn.Module):\n",
        "VAE": "\n# ## Task `interpolate`\n",
    }[of]
    return (f"\n{following}", f"\n{indent(dedent(code).strip(), ' ' * 4)}\n\n{following}")


# Three stages each, as many tutorials write them.
_CONV_ENCODER = """
self.conv1 = nn.Conv2d(in_channels, features, 4, 2, 1)
self.conv2 = nn.Conv2d(features, features * 2, 4, 2, 1)
self.conv3 = nn.Conv2d(features * 2, features * 4, 4, 2, 1)
self.n_features = features * 4 * (input_size // 8) ** 2
self.out_features = self.n_features
"""
_CONV_FORWARD = """
x = torch.relu(self.conv1(x))
x = torch.relu(self.conv2(x))
x = torch.relu(self.conv3(x))
return x.view(x.size(0), -1)
"""
_LINEAR_DECODER = """
self.z_dim = z_dim
self.nf = features
self.output_size = output_size
self.start = output_size // 8
self.fc = nn.Linear(z_dim, features * 4 * self.start * self.start)
self.deconv1 = nn.ConvTranspose2d(features * 4, features * 2, 4, 2, 1)
self.deconv2 = nn.ConvTranspose2d(features * 2, features, 4, 2, 1)
self.deconv3 = nn.ConvTranspose2d(features, out_channels, 4, 2, 1)
"""
_LINEAR_FORWARD = """
h = torch.relu(self.fc(z)).view(-1, self.nf * 4, self.start, self.start)
h = torch.relu(self.deconv1(h))
h = torch.relu(self.deconv2(h))
return self.deconv3(h)
"""
_LINEAR = (("decoder", _LINEAR_DECODER), ("decoder.forward", _LINEAR_FORWARD))
# The generator of PyTorch's DCGAN tutorial: codes are images of one pixel.
_DCGAN_DECODER = """
self.nz, self.ngf, self.nc = z_dim, features, out_channels
self.main = nn.Sequential(
    nn.ConvTranspose2d(self.nz, self.ngf * 4, output_size // 8, 1, 0), nn.ReLU(),
    nn.ConvTranspose2d(self.ngf * 4, self.ngf * 2, 4, 2, 1), nn.ReLU(),
    nn.ConvTranspose2d(self.ngf * 2, self.ngf, 4, 2, 1), nn.ReLU(),
    nn.ConvTranspose2d(self.ngf, self.nc, 4, 2, 1))
"""

_FLAT_NLL = """
log_probs = -0.5 * (math.log(2 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var)
return -log_probs.flatten(1).sum(1)
"""
_NLL_IGNORES_DIMS = (("nll", 10.0),)

_OWN_NLL = (
    Equivalent(
        "own nll: all but the batch, called without dims in a loop",
        answers=(
            ("nll", _FLAT_NLL),
            (
                "log_likelihood",
                """
                posterior = self.encode(x)
                prior = DiagonalGaussianDistribution(torch.zeros_like(posterior.mean))
                log_weights = []
                for k in range(K):
                    z = posterior.sample()
                    log_px_z = -self.decode(z).nll(x)
                    log_pz = -prior.nll(z)
                    log_qz_x = -posterior.nll(z)
                    log_weights.append(log_px_z + log_pz - log_qz_x)
                return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(K)
                """,
            ),
        ),
        loses=_NLL_IGNORES_DIMS,
    ),
    Equivalent(
        "own nll: dims=None is all but the batch",
        answers=(
            (
                "nll",
                """
                if dims is None:
                    dims = range(1, sample.dim())
                var_term = torch.pow(sample - self.mean, 2) / (2 * self.var)
                return torch.sum(var_term + self.logvar / 2 + np.log(2 * np.pi) / 2, dim=list(dims))
                """,
            ),
            (
                "log_likelihood",
                """
                q = self.encode(x)
                B = x.shape[0]
                q = DiagonalGaussianDistribution(q.mean.repeat_interleave(K, 0), q.logvar.repeat_interleave(K, 0))
                z = q.sample()
                p_z = DiagonalGaussianDistribution(torch.zeros_like(z), torch.zeros_like(z))
                log_w = q.nll(z) - p_z.nll(z) - self.decode(z).nll(x.repeat_interleave(K, dim=0))
                return torch.logsumexp(log_w.view(B, K), dim=1) - np.log(K)
                """,
            ),
        ),
        swaps=(_arguments_of_nll("dims=None"),),
        top="import numpy as np\n",
    ),
    Equivalent(
        "own nll: dims=None, and dims given are ignored",
        answers=(
            (
                "nll",
                """
                nll = 0.5 * (math.log(2 * math.pi) + self.logvar + (sample - self.mean).pow(2) * (-self.logvar).exp())
                while nll.dim() > 1:
                    nll = nll.sum(-1)
                return nll
                """,
            ),
            (
                "log_likelihood",
                """
                self_mean = self.encode(x)
                weights = torch.zeros(K, x.size(0))
                for k in range(K):
                    weights[k] = self.log_weight(x, self_mean)
                return weights.logsumexp(0) - torch.log(torch.tensor(float(K)))
                """,
            ),
        ),
        swaps=(
            _arguments_of_nll("dims=None"),
            _methods(
                "VAE",
                """
                def log_weight(self, x, q):
                    z = q.sample()
                    p_z = DiagonalGaussianDistribution(torch.zeros(z.shape), torch.zeros(z.shape))
                    return q.nll(z) - p_z.nll(z) - self.decode(z).nll(x)
                """,
            ),
        ),
        loses=_NLL_IGNORES_DIMS,
    ),
    Equivalent(
        "own nll: reduce=True, one image at a time",
        answers=(
            (
                "nll",
                """
                err = (sample - self.mean).pow(2) / self.var
                per_dim = 0.5 * (err + self.logvar + math.log(2 * math.pi))
                if not reduce:
                    return per_dim
                return per_dim.reshape(per_dim.size(0), -1).sum(dim=1)
                """,
            ),
            (
                "log_likelihood",
                """
                out = []
                for img in x:
                    q = self.encode(img.unsqueeze(0))
                    z = q.mean + q.std * torch.randn(K, self.z_dim)
                    prior = DiagonalGaussianDistribution(torch.zeros_like(z))
                    log_p = -self.decode(z).nll(img.expand(K, -1, -1, -1), reduce=True) - prior.nll(z, reduce=True)
                    log_q = -q.nll(z, reduce=False).sum(1)
                    out.append(torch.logsumexp(log_p - log_q, 0) - math.log(K))
                return torch.stack(out)
                """,
            ),
        ),
        swaps=(_arguments_of_nll(f"{_DIMS}, reduce=True"),),
        loses=_NLL_IGNORES_DIMS,
    ),
    Equivalent(
        "own nll: keepdim, as torch.sum has it",
        answers=(
            (
                "nll",
                """
                log_normaliser = torch.log(self.std) + 0.5 * math.log(2 * math.pi)
                return (log_normaliser + 0.5 * ((sample - self.mean) / self.std) ** 2).sum(tuple(dims), keepdim=keepdim)
                """,
            ),
            (
                "log_likelihood",
                """
                q, columns = self.encode(x), []
                for _ in range(K):
                    z = q.sample()
                    p_z = DiagonalGaussianDistribution(torch.zeros_like(q.mean))
                    column = q.nll(z, [1], keepdim=True) - p_z.nll(z, [1], keepdim=True)
                    columns.append(column - self.decode(z).nll(x, keepdim=True).flatten(1))
                return torch.cat(columns, dim=1).logsumexp(dim=1) - math.log(K)
                """,
            ),
        ),
        swaps=(_arguments_of_nll(f"{_DIMS}, keepdim=False"),),
    ),
    Equivalent(
        "own nll: behind a log_prob of one's own",
        answers=(
            (
                "nll",
                """
                B = sample.shape[0]
                inside = math.log(2 * math.pi) + self.logvar + torch.square(sample - self.mean) / self.logvar.exp()
                return 0.5 * inside.contiguous().view(B, -1).sum(-1)
                """,
            ),
            (
                "forward",
                """
                q = self.encode(x)
                p = self.decode(q.sample(noise))
                return p.mode(), -p.log_prob(x), q.kl()
                """,
            ),
            (
                "log_likelihood",
                """
                q_z = self.encode(x)
                p_z = DiagonalGaussianDistribution(torch.zeros(len(x), self.z_dim))
                total = None
                for i in range(K):
                    z = q_z.sample()
                    log_w = self.decode(z).log_prob(x) + p_z.log_prob(z) - q_z.log_prob(z)
                    total = log_w if total is None else torch.logaddexp(total, log_w)
                return total - math.log(K)
                """,
            ),
        ),
        swaps=(_methods("DiagonalGaussianDistribution", "def log_prob(self, value):\n    return -self.nll(value)"),),
        loses=_NLL_IGNORES_DIMS,
    ),
)

_ATTRIBUTES = (
    Equivalent(
        "own attributes: z_dim, nf and output_size of the decoder",
        answers=(
            *_LINEAR,
            (
                "decode",
                """
                assert z.shape[-1] == self.decoder.z_dim, "codes have the wrong size"
                return DiagonalGaussianDistribution(self.decoder(z))
                """,
            ),
            (
                "prior_sample",
                """
                if noise is None:
                    noise = torch.randn(batch_size, self.decoder.z_dim)
                images = self.decoder(noise)
                return images.view(batch_size, -1, self.decoder.output_size, self.decoder.output_size)
                """,
            ),
            (
                "interpolate",
                """
                codes = torch.zeros(n_samples, model.decoder.z_dim)
                for i in range(n_samples):
                    t = i / (n_samples - 1)
                    codes[i] = (1 - t) * z_1[0] + t * z_2[0]
                return model.decode(codes).mode()
                """,
            ),
        ),
        bottom="""

        def describe(model):
            return f"decoder: {model.decoder.nf} features, {model.decoder.z_dim} -> {model.decoder.output_size}"
        """,
    ),
    Equivalent(
        "own attributes: n_features of the encoder checked",
        answers=(
            ("encoder", _CONV_ENCODER),
            ("encoder.forward", _CONV_FORWARD),
            (
                "encode",
                """
                if self.encoder.n_features <= 0 or self.encoder.conv1.in_channels != x.shape[1]:
                    raise ValueError("the encoder does not fit these images")
                h = self.encoder(x).view(x.size(0), -1)
                return DiagonalGaussianDistribution(self.mean(h), self.logvar(h))
                """,
            ),
        ),
    ),
    Equivalent(
        "own attributes: features viewed by n_features of the encoder",
        answers=(
            ("encoder", _CONV_ENCODER),
            ("encoder.forward", _CONV_FORWARD),
            (
                "encode",
                "features = self.encoder(x).view(-1, self.encoder.n_features)\n"
                "return DiagonalGaussianDistribution(mean=self.mean(features), logvar=self.logvar(features))",
            ),
        ),
    ),
    Equivalent(
        "own attributes: features viewed by out_features of the encoder",
        answers=(
            (
                "encode",
                """
                x = self.encoder(x)
                x = x.view(-1, self.encoder.out_features)
                mu, log_var = self.mean(x), self.logvar(x)
                return DiagonalGaussianDistribution(mu, log_var)
                """,
            ),
        ),
    ),
    Equivalent(
        "own attributes: features flattened in encode",
        answers=(
            ("encoder", _CONV_ENCODER),
            ("encoder.forward", _CONV_FORWARD.replace("return x.view(x.size(0), -1)", "return x")),
            (
                "encode",
                "h = self.encoder(x).view(x.size(0), -1)\n"
                "return DiagonalGaussianDistribution(self.mean(h), self.logvar(h))",
            ),
        ),
        loses=(("encoder", 2.0),),
    ),
    Equivalent(
        "own attributes: a class attribute and a property of the decoder",
        answers=(
            (
                "decoder",
                """
                self.z_dim, self.channels = z_dim, out_channels
                self.side = output_size // self.STRIDE**3
                f = features
                self.linear = nn.Linear(z_dim, 4 * f * self.side**2)
                self.up = nn.Sequential(
                    nn.ConvTranspose2d(4 * f, 2 * f, 4, self.STRIDE, 1), nn.LeakyReLU(0.2),
                    nn.ConvTranspose2d(2 * f, f, 4, self.STRIDE, 1), nn.LeakyReLU(0.2),
                    nn.ConvTranspose2d(f, out_channels, 4, self.STRIDE, 1))
                """,
            ),
            (
                "decoder.forward",
                "h = nn.functional.leaky_relu(self.linear(z), 0.2)\n"
                "return self.up(h.reshape(len(z), -1, self.side, self.side))",
            ),
            (
                "prior_sample",
                """
                z = torch.randn(batch_size, *self.decoder.code_shape) if noise is None else noise
                return self.decode(z).mode().reshape(batch_size, *self.decoder.image_shape)
                """,
            ),
        ),
        swaps=(
            (
                "    def __init__(self, out_channels: int = 3, features: int = 32, z_dim: int = 32",
                "    STRIDE = 2\n\n    def __init__(self, out_channels: int = 3, features: int = 32, z_dim: int = 32",
            ),
            _methods(
                "Decoder",
                """
                @property
                def code_shape(self):
                    return (self.z_dim,)

                @property
                def image_shape(self):
                    size = self.side * self.STRIDE**3
                    return (self.channels, size, size)
                """,
            ),
        ),
    ),
    Equivalent(
        "own attributes: helper methods of encoder and decoder",
        answers=(
            *_LINEAR,
            (
                "encode",
                "h = self.encoder.flat(self.encoder(x))\n"
                "return DiagonalGaussianDistribution(self.mean(h), self.logvar(h))",
            ),
            ("decode", "z = self.decoder.reshape_code(z)\nreturn DiagonalGaussianDistribution(self.decoder(z))"),
            (
                "prior_sample",
                """
                if noise is None:
                    noise = self.decoder.draw_code(batch_size)
                return self.decoder(self.decoder.reshape_code(noise))
                """,
            ),
        ),
        swaps=(
            _methods("Encoder", "@staticmethod\ndef flat(h):\n    return h.reshape(h.shape[0], -1)"),
            _methods(
                "Decoder",
                """
                def reshape_code(self, z):
                    return z.view(-1, self.z_dim)

                def draw_code(self, n):
                    return torch.randn(n, self.z_dim, device=self.fc.weight.device)
                """,
            ),
        ),
    ),
    Equivalent(
        "own attributes: layers of the decoder counted",
        answers=(
            (
                "decode",
                """
                if len(list(self.decoder.children())) == 0:
                    raise RuntimeError("the decoder has no layers yet")
                return DiagonalGaussianDistribution(self.decoder(z))
                """,
            ),
        ),
    ),
    Equivalent(
        "own attributes: device and dtype of the first layer",
        answers=(
            *_LINEAR,
            (
                "prior_sample",
                """
                device, dtype = self.decoder.fc.weight.device, self.decoder.fc.weight.dtype
                z = torch.randn((batch_size, self.decoder.fc.in_features), device=device, dtype=dtype)
                if noise is not None:
                    z = noise.to(device)
                return self.decode(z).mode()
                """,
            ),
            (
                "log_likelihood",
                """
                q = self.encode(x)
                parts = []
                for _ in range(K):
                    eps = torch.randn(x.size(0), self.decoder.fc.in_features, device=self.decoder.fc.weight.device)
                    z = q.sample(eps)
                    log_ratio = torch.sum(eps**2 / 2 + q.logvar / 2 - z**2 / 2, dim=-1)
                    parts.append(log_ratio - self.decode(z).nll(x))
                return torch.stack(parts, dim=-1).logsumexp(dim=-1) - math.log(K)
                """,
            ),
        ),
    ),
)

_AXES = (
    Equivalent(
        "axes of one: interpolate stacks codes",
        answers=(
            *_LINEAR,
            (
                "interpolate",
                """
                codes = []
                for alpha in torch.linspace(0, 1, n_samples):
                    codes.append(z_1 * (1 - alpha) + z_2 * alpha)
                codes = torch.stack(codes)
                return model.decode(codes).mode()
                """,
            ),
        ),
    ),
    Equivalent(
        "axes of one: K codes for one image at a time",
        answers=(
            *_LINEAR,
            (
                "log_likelihood",
                """
                results = torch.zeros(x.size(0))
                for i in range(x.size(0)):
                    image = x[i : i + 1]
                    q = self.encode(image)
                    eps = torch.randn(K, 1, self.z_dim)
                    z = q.mean + q.std * eps
                    log_pxz = -self.decode(z).nll(image.repeat(K, 1, 1, 1))
                    log_pz = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1).squeeze(1)
                    log_qz = -0.5 * (eps**2 + q.logvar + math.log(2 * math.pi)).sum(-1).squeeze(1)
                    results[i] = torch.logsumexp(log_pxz + log_pz - log_qz, dim=0) - math.log(K)
                return results
                """,
            ),
        ),
    ),
    Equivalent(
        "axes of one: noise of (B, 1, z), viewed back or not",
        answers=(
            *_LINEAR,
            (
                "prior_sample",
                """
                if noise is None:
                    noise = torch.randn(batch_size, 1, self.z_dim)
                return self.decode(noise).mode()
                """,
            ),
            (
                "forward",
                """
                batch = x.size(0)
                noise = torch.randn(batch, 1, self.z_dim) if noise is None else noise.unsqueeze(1)
                q = self.encode(x)
                p = self.decode(q.sample(noise.view(batch, -1)).unsqueeze(1))
                return p.mode(), p.nll(x), q.kl()
                """,
            ),
            (
                "log_likelihood",
                """
                q = self.encode(x)
                mean, std, logvar = q.mean.unsqueeze(1), q.std.unsqueeze(1), q.logvar.unsqueeze(1)
                log_w = []
                for k in range(K):
                    eps = torch.randn(x.size(0), 1, self.z_dim)
                    z = mean + std * eps
                    log_q = -0.5 * (eps.square() + logvar).sum(dim=2)
                    log_p = -0.5 * z.square().sum(dim=2)
                    log_w.append(log_p - log_q - self.decode(z).nll(x).unsqueeze(1))
                return torch.cat(log_w, dim=1).logsumexp(dim=1) - math.log(K)
                """,
            ),
        ),
    ),
    Equivalent(
        "axes of one: keepdim and squeeze",
        answers=(
            (
                "kl",
                """
                kl = self.mean.pow(2).sum(dim=1, keepdim=True) + self.var.sum(dim=1, keepdim=True)
                kl = kl - self.logvar.sum(dim=1, keepdim=True) - self.mean.shape[1]
                return 0.5 * kl.squeeze(1)
                """,
            ),
            (
                "log_likelihood",
                """
                q = self.encode(x)
                q_wide = DiagonalGaussianDistribution(q.mean.unsqueeze(1), q.logvar.unsqueeze(1))  # (B, 1, z)
                z = q_wide.sample(torch.randn(x.shape[0], K, self.z_dim))
                prior = DiagonalGaussianDistribution(torch.zeros(1, 1, self.z_dim))
                log_w = q_wide.nll(z, dims=[2]) - prior.nll(z, dims=[2])
                for k in range(K):
                    code = z[:, k : k + 1].mean(dim=1, keepdim=True).squeeze(1)
                    log_w[:, k] -= self.decode(code).nll(x)
                return torch.logsumexp(log_w, dim=1, keepdim=True).squeeze(1) - math.log(K)
                """,
            ),
        ),
    ),
    Equivalent(
        "axes of one: codes as images of one pixel",
        answers=(
            ("decoder", _DCGAN_DECODER),
            ("decoder.forward", "z = z.view(z.size(0), self.nz, 1, 1)\nreturn self.main(z)"),
            ("decode", "return DiagonalGaussianDistribution(self.decoder(z.view(-1, self.decoder.nz, 1, 1)))"),
            (
                "prior_sample",
                """
                fixed_noise = torch.randn(batch_size, self.decoder.nz, 1, 1) if noise is None else noise
                return self.decoder(fixed_noise)
                """,
            ),
            (
                "interpolate",
                """
                steps = torch.linspace(0, 1, n_samples).view(-1, 1, 1, 1)
                start, end = z_1[:, :, None, None], z_2[:, :, None, None]
                return model.decoder(start + steps * (end - start))
                """,
            ),
        ),
    ),
    Equivalent(
        "axes of one: the decoder takes codes of one pixel only",
        answers=(
            ("decoder", _DCGAN_DECODER),
            ("decoder.forward", "return self.main(z)"),
            ("decode", "return DiagonalGaussianDistribution(self.decoder(z.unsqueeze(-1).unsqueeze(-1)))"),
            (
                "prior_sample",
                """
                if noise is None:
                    noise = torch.randn(batch_size, self.z_dim)
                return self.decoder(noise.reshape(batch_size, self.z_dim, 1, 1))
                """,
            ),
        ),
        loses=(("decoder", 7.0),),
    ),
)

_TERMS = "0.5 * (self.mean**2 + self.var - self.logvar - 1)"

_FLOAT32 = (
    Equivalent(
        "float32: kl by a product with ones",
        answers=(("kl", f"kl_terms = {_TERMS}\nreturn torch.matmul(kl_terms, torch.ones(kl_terms.shape[1]))"),),
        loses=(("kl", 2.0),),
    ),
    Equivalent(
        "float32: kl by einsum with a vector of one half",
        answers=(
            (
                "kl",
                """
                half = torch.full((self.mean.shape[1],), 0.5)
                return torch.einsum("bz,z->b", self.mean**2 + self.logvar.exp() - self.logvar - 1.0, half)
                """,
            ),
        ),
        loses=(("kl", 2.0),),
    ),
    Equivalent(
        "float32: kl by a linear layer of ones",
        answers=(("kl", "return sum_rows(0.5 * (self.var + self.mean.square() - 1 - self.logvar))"),),
        bottom="""

        def sum_rows(terms):
            ones = torch.ones(1, terms.size(1))
            return nn.functional.linear(terms, ones).squeeze(1)
        """,
        loses=(("kl", 2.0),),
    ),
    Equivalent(
        "float32: nll by products with ones",
        answers=(
            (
                "nll",
                """
                terms = 0.5 * (math.log(2 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var)
                for d in sorted(dims, reverse=True):
                    terms = torch.movedim(terms, d, -1)
                    terms = terms @ torch.ones(terms.shape[-1])
                return terms
                """,
            ),
        ),
        loses=(("nll", 2.0),),
    ),
    Equivalent(
        "float32: sample by a covariance matrix",
        answers=(
            (
                "sample",
                """
                if noise is None:
                    noise = torch.randn(self.mean.shape)
                scale = torch.diag_embed(self.std)
                return self.mean + torch.matmul(scale, noise.unsqueeze(-1)).squeeze(-1)
                """,
            ),
        ),
        loses=(("sample", 2.0),),
    ),
    Equivalent(
        "float32: images and codes made float",
        answers=(
            (
                "encode",
                "h = self.encoder(x.float())\nreturn DiagonalGaussianDistribution(self.mean(h), self.logvar(h))",
            ),
            ("decode", "z = z.float()\nreturn DiagonalGaussianDistribution(self.decoder(z))"),
        ),
        loses=(("encode", 1.0), ("decode", 1.0)),
    ),
    Equivalent(
        "float32: encode rotates by an identity matrix",
        answers=(
            (
                "encode",
                """
                hidden = self.encoder(x)
                mean = torch.einsum("bi,ij->bj", self.mean(hidden), torch.eye(self.z_dim))
                return DiagonalGaussianDistribution(mean, self.logvar(hidden))
                """,
            ),
        ),
        loses=(("encode", 1.0),),
    ),
    Equivalent(
        "float32: zeros of the image's shape",
        answers=(
            (
                "decode",
                """
                mean = self.decoder(z)
                logvar = torch.zeros(mean.shape)
                return DiagonalGaussianDistribution(mean, logvar)
                """,
            ),
        ),
        loses=(("decode", 1.0),),
    ),
)

_CONSTRUCTOR = (
    Equivalent(
        "own constructor: flat views of the parameters",
        answers=(
            ("kl", "return 0.5 * (self.flat_mean**2 + self.flat_logvar.exp() - self.flat_logvar - 1).sum(1)"),
            ("mode", "return self.flat_mean.view(self.mean.shape)"),
        ),
        swaps=(
            _in_the_distribution(
                """
                self.flat_mean = mean.view(len(mean), -1)
                self.flat_logvar = self.logvar.view(len(mean), -1)
                """
            ),
        ),
    ),
    Equivalent(
        "own constructor: sizes kept",
        answers=(
            (
                "sample",
                """
                if noise is None:
                    noise = torch.randn(self.shape, dtype=self.mean.dtype)
                return self.mean + self.std * noise.view(self.shape)
                """,
            ),
            (
                "kl",
                """
                total = torch.zeros(self.batch, dtype=self.mean.dtype)
                for j in range(self.z):
                    m, lv = self.mean[:, j], self.logvar[:, j]
                    total = total + 0.5 * (m * m + torch.exp(lv) - lv - 1)
                return total
                """,
            ),
        ),
        swaps=(
            _in_the_distribution(
                """
                self.batch, self.z = mean.shape[0], mean.shape[1]
                self.shape = mean.shape
                """
            ),
        ),
    ),
    Equivalent(
        "own constructor: a normal distribution of torch kept",
        answers=(
            (
                "sample",
                "return self.normal.rsample() if noise is None else self.normal.loc + self.normal.scale * noise",
            ),
            ("kl", "return torch.distributions.kl_divergence(self.normal, self.prior).sum(1)"),
            ("nll", "return -self.normal.log_prob(sample).sum(dim=tuple(dims))"),
            (
                "log_likelihood",
                """
                q = self.encode(x)
                log_w = torch.empty(K, len(x))
                for k in range(K):
                    z = q.normal.rsample()
                    log_pz, log_qz = q.prior.log_prob(z).sum(1), q.normal.log_prob(z).sum(1)
                    log_w[k] = self.decode(z).normal.log_prob(x).sum((1, 2, 3)) + log_pz - log_qz
                return log_w.logsumexp(0) - math.log(K)
                """,
            ),
        ),
        swaps=(
            _in_the_distribution(
                """
                self.normal = torch.distributions.Normal(self.mean, self.std)
                self.prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
                """
            ),
        ),
    ),
)

_HELPERS = (
    Equivalent(
        "own helpers: sample_latent, and functions at the top level",
        answers=(
            ("encode", "mean, logvar = self.encode_params(x)\nreturn DiagonalGaussianDistribution(mean, logvar)"),
            (
                "forward",
                """
                mean, logvar = self.encode_params(x)
                z = self.sample_latent(mean, logvar, noise)
                x_hat = self.decoder(z)
                return x_hat, gaussian_nll(x_hat, x), gaussian_kl(mean, logvar)
                """,
            ),
            (
                "log_likelihood",
                """
                mean, logvar = self.encode_params(x)
                log_w = []
                for _ in range(K):
                    z = self.sample_latent(mean, logvar)
                    log_q = log_normal(z, mean, logvar)
                    log_p = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
                    log_w.append(log_p - log_q - gaussian_nll(self.decoder(z), x))
                return torch.logsumexp(torch.stack(log_w, 1), 1) - math.log(K)
                """,
            ),
            (
                "interpolate",
                """
                device = next(model.parameters()).device
                zs = torch.cat([lerp(z_1, z_2, i / (n_samples - 1)) for i in range(n_samples)], dim=0).to(device)
                return model.decoder(zs)
                """,
            ),
        ),
        swaps=(
            _methods(
                "VAE",
                """
                def encode_params(self, x):
                    h = self.encoder(x)
                    return self.mean(h), torch.clamp(self.logvar(h), -30.0, 20.0)

                def sample_latent(self, mean, logvar, eps=None):
                    if eps is None:
                        eps = torch.randn_like(mean)
                    return mean + torch.exp(0.5 * logvar) * eps
                """,
            ),
        ),
        top="""


        LOG_2PI = math.log(2 * math.pi)


        def log_normal(value, mean, logvar):
            return -0.5 * (LOG_2PI + logvar + (value - mean) ** 2 / logvar.exp()).sum(dim=-1)


        def gaussian_nll(x_hat, x):
            return 0.5 * ((x - x_hat) ** 2 + LOG_2PI).flatten(1).sum(dim=-1)


        def gaussian_kl(mean, logvar):
            return -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp(), dim=1)


        def lerp(a, b, t):
            return a * (1 - t) + b * t

        """,
    ),
    Equivalent(
        "own helpers: generate and reparameterize beside the tasks",
        answers=(
            *_LINEAR,
            ("prior_sample", "return self.generate(batch_size, noise)"),
            (
                "forward",
                """
                posterior = self.encode(x)
                z = self.reparameterize(posterior, noise)
                likelihood = self.decode(z)
                return likelihood.mean, likelihood.nll(x), posterior.kl()
                """,
            ),
        ),
        swaps=(
            _methods(
                "VAE",
                """
                def reparameterize(self, q, eps=None):
                    return q.sample() if eps is None else q.sample(eps)

                def generate(self, n, codes=None):
                    if codes is None:
                        codes = torch.randn(n, self.decoder.z_dim, device=self.decoder.fc.bias.device)
                    return self.decoder(codes)
                """,
            ),
        ),
    ),
)

# An argument under another name: it is handed over by position.
_NAMES = (
    Equivalent(
        "own names: the noise of forward is called eps",
        answers=(
            (
                "forward",
                """
                q = self.encode(x)
                p = self.decode(q.sample(eps))
                return p.mode(), p.nll(x), q.kl()
                """,
            ),
        ),
        swaps=(
            (
                'self, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"] | None = None',
                'self, x: Float[Tensor, "B C S S"], eps: Float[Tensor, "B z"] | None = None',
            ),
        ),
    ),
)

# A distribution never changes: what was computed once for an object stays right for it.
_KEPT = (
    Equivalent(
        "own memory: kl and mode kept on the object",
        answers=(
            (
                "kl",
                """
                if not hasattr(self, "_kl"):
                    self._kl = 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)
                return self._kl
                """,
            ),
            (
                "mode",
                """
                if not hasattr(self, "_mode"):
                    self._mode = 1.0 * self.mean
                return self._mode
                """,
            ),
        ),
    ),
)

# Layers of one's own parts, gone through or asked for their sizes.
_LAYERS = (
    Equivalent(
        "own layers: a decoder gone through layer by layer",
        answers=(
            (
                "prior_sample",
                """
                out = torch.randn(batch_size, self.decoder[0].in_features) if noise is None else noise
                for layer in self.decoder:
                    out = layer(out)
                return out
                """,
            ),
        ),
        swaps=(
            (
                "        self.decoder = Decoder(in_channels, decoder_features, z_dim, input_size)\n",
                "        self.decoder = Decoder(in_channels, decoder_features, z_dim, input_size).layers\n",
            ),
        ),
    ),
    Equivalent(
        "own layers: heads of two layers, asked for their sizes",
        answers=(
            (
                "prior_sample",
                """
                z_dim, device = self.mean[-1].out_features, self.mean[0].weight.device
                z = torch.randn(batch_size, z_dim, device=device) if noise is None else noise
                return self.decode(z).mode()
                """,
            ),
        ),
        swaps=(
            (
                "        self.mean = nn.Linear(self.encoder.out_features, z_dim)\n",
                "        width = self.encoder.out_features\n"
                "        self.mean = nn.Sequential(nn.Linear(width, 64), nn.Tanh(), nn.Linear(64, z_dim))\n",
            ),
        ),
    ),
)

EQUIVALENT = (*_OWN_NLL, *_ATTRIBUTES, *_AXES, *_FLOAT32, *_CONSTRUCTOR, *_HELPERS, *_KEPT, *_LAYERS, *_NAMES)
