"""Right answers that lean on each other, on other features of the language, or on other parts of torch."""

from tests.zoo.entry import Equivalent
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_ARGUMENTS = 'mean: Float[Tensor, "B *dims"], logvar: Float[Tensor, "B *dims"] | None = None'
_DISTRIBUTION_INIT = f"""    def __init__(self, {_ARGUMENTS}):
        self.mean = mean
        self.logvar = torch.zeros_like(mean) if logvar is None else torch.clamp(logvar, -30.0, 20.0)
        self.std = torch.exp(0.5 * self.logvar)
        self.var = torch.exp(self.logvar)
"""
_CLASS = "class DiagonalGaussianDistribution:\n"

EQUIVALENT = (
    Equivalent(
        "one task by another",
        answers=(
            (
                "kl",
                """
                prior = DiagonalGaussianDistribution(torch.zeros_like(self.mean))
                cross = prior.nll(self.mode(), dims=[1]) + 0.5 * self.var.sum(dim=1)
                return cross - self.nll(self.mode(), dims=[1]) - 0.5 * self.mean.shape[1]
                """,
            ),
            ("mode", "return self.sample(torch.zeros_like(self.mean))"),
            ("decode", "return DiagonalGaussianDistribution(self.sample(len(z), noise=z))"),
            ("prior_sample", "return self.decoder(torch.randn(batch_size, self.z_dim) if noise is None else noise)"),
            (
                "interpolate",
                "w = torch.linspace(0, 1, n_samples)[:, None]\n"
                "return model.sample(n_samples, noise=(1 - w) * z_1 + w * z_2)",
            ),
        ),
    ),
    Equivalent(
        "one dimension as a number",
        answers=(
            (
                "nll",
                "terms = math.log(2.0 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var\n"
                "return 0.5 * torch.sum(terms, dim=dims)",
            ),
            ("log_likelihood", PLAIN.replace("dims=[1]", "dims=1")),
        ),
    ),
    Equivalent(
        "attributes made when they are asked for",
        swaps=(
            (
                _DISTRIBUTION_INIT,
                _DISTRIBUTION_INIT.split("        self.std")[0]
                + """
    @property
    def std(self):
        return torch.exp(0.5 * self.logvar)

    @functools.cached_property
    def var(self):
        return self.logvar.exp()
""",
            ),
        ),
        top="import functools\n",
    ),
    Equivalent(
        "a dataclass",
        swaps=(
            (_CLASS, f"@dataclasses.dataclass\n{_CLASS}"),
            (
                _DISTRIBUTION_INIT,
                """
    mean: Tensor
    logvar: Tensor | None = None

    def __post_init__(self):
        self.logvar = torch.zeros_like(self.mean) if self.logvar is None else torch.clamp(self.logvar, -30.0, 20.0)
        self.std = torch.exp(0.5 * self.logvar)
        self.var = torch.exp(self.logvar)
""",
            ),
        ),
        top="import dataclasses\n",
    ),
    Equivalent(
        "methods inherited, and a subclass returned",
        answers=(("encode", "h = self.encoder(x)\nreturn Posterior(self.mean(h), self.logvar(h))"),),
        swaps=(
            (_CLASS, "class Gaussian:\n"),
            (
                "class VAE(nn.Module):\n",
                "class DiagonalGaussianDistribution(Gaussian):\n    pass\n\n\n"
                "class Posterior(DiagonalGaussianDistribution):\n    pass\n\n\nclass VAE(nn.Module):\n",
            ),
        ),
    ),
    Equivalent(
        "a model in two classes",
        answers=(("encode", "return super().encode(x)"),),
        swaps=(
            (
                "class VAE(nn.Module):\n",
                "class Coder(nn.Module):\n    def encode(self, x):\n        h = self.encoder(x)\n"
                "        return DiagonalGaussianDistribution(self.mean(h), self.logvar(h))\n\n\nclass VAE(Coder):\n",
            ),
        ),
    ),
    Equivalent(
        "vmap over images",
        answers=(
            ("kl", "return torch.vmap(lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).sum())(self.mean, self.logvar)"),
            (
                "forward",
                """
                def one(image, e):
                    q = self.encode(image[None])
                    p = self.decode(q.sample(e[None]))
                    return p.mode()[0], p.nll(image[None])[0], q.kl()[0]
                return torch.vmap(one)(x, torch.randn(len(x), self.z_dim) if noise is None else noise)
                """,
            ),
            (
                "log_likelihood",
                """
                def one(image):
                    q = self.encode(image[None])
                    eps = torch.randn(K, self.z_dim)
                    z = q.mean + q.std * eps
                    log_w = 0.5 * (eps**2 - z**2 + q.logvar).sum(1) - self.decode(z).nll(image.expand(K, *image.shape))
                    return torch.logsumexp(log_w, dim=0) - math.log(K)
                return torch.vmap(one, randomness="different")(x)
                """,
            ),
        ),
    ),
    Equivalent(
        "a scripted function and constants of numpy",
        answers=(
            ("kl", "return kl_terms(self.mean, self.logvar).sum(1)"),
            (
                "nll",
                "terms = np.log(2 * np.pi) + self.logvar + (sample - self.mean) ** 2 / self.var\n"
                "return np.float64(0.5) * terms.sum(dim=tuple(dims))",
            ),
        ),
        top="""
        import numpy as np


        @torch.jit.script
        def kl_terms(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
            return 0.5 * (mean * mean + logvar.exp() - 1.0 - logvar)
        """,
    ),
    Equivalent(
        "a copy in eval mode",
        answers=(("log_likelihood", f"self = copy.deepcopy(self).eval()\n{PLAIN}"),),
        top="import copy\n",
    ),
    Equivalent(
        "each code decoded twice, and the mode as well",
        answers=(
            (
                "log_likelihood",
                """
                q = self.encode(x)
                self.last_reconstruction = self.decode(q.mode()).mode()
                log_w = []
                for _ in range(K):
                    z = q.sample()
                    assert self.decode(z).mode().shape == x.shape
                    log_p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
                    log_w.append(log_p - self.decode(z).nll(x) + q.nll(z, dims=[1]))
                return torch.stack(log_w).logsumexp(0) - math.log(K)
                """,
            ),
        ),
    ),
    Equivalent(
        "code by code, by multivariate normals",
        answers=(
            (
                "log_likelihood",
                """
                results = []
                for image in x:
                    q = self.encode(image[None])
                    q = torch.distributions.MultivariateNormal(q.mean[0], torch.diag_embed(q.var[0]))
                    p = torch.distributions.MultivariateNormal(torch.zeros(self.z_dim), torch.eye(self.z_dim))
                    log_w = []
                    for _ in range(K):
                        z = q.sample()
                        log_w.append(p.log_prob(z) - q.log_prob(z) - self.decode(z[None]).nll(image[None])[0])
                    results.append(torch.logsumexp(torch.stack(log_w), dim=0) - math.log(K))
                return torch.stack(results)
                """,
            ),
        ),
    ),
    Equivalent(
        "a generator of the model's own",
        answers=(
            ("log_likelihood", PLAIN.replace("self.z_dim, dtype=x.dtype", "self.z_dim, generator=self.generator")),
            (
                "prior_sample",
                "z = torch.randn(batch_size, self.z_dim, generator=self.generator) if noise is None else noise\n"
                "return self.decode(z).mode()",
            ),
        ),
        swaps=(
            (
                "        self.to(device)\n",
                "        self.generator = torch.Generator().manual_seed(7)\n        self.to(device)\n",
            ),
        ),
    ),
)
