"""Right distributions, written differently."""

from tests.zoo.entry import Equivalent

_TERMS = "0.5 * (self.mean**2 + self.var - 1.0 - self.logvar)"

EQUIVALENT = (
    Equivalent(
        "torch.distributions throughout",
        answers=(
            (
                "sample",
                """
                q = torch.distributions.Normal(self.mean, self.std)
                return q.rsample() if noise is None else self.mean + q.stddev * noise
                """,
            ),
            (
                "kl",
                """
                q = torch.distributions.Normal(self.mean, self.std)
                p = torch.distributions.Normal(torch.zeros_like(self.mean), torch.ones_like(self.std))
                return torch.distributions.kl_divergence(q, p).sum(dim=-1)
                """,
            ),
            ("nll", "return -torch.distributions.Normal(self.mean, self.std).log_prob(sample).sum(dim=list(dims))"),
            ("mode", "return torch.distributions.Normal(self.mean, self.std).mean"),
        ),
    ),
    Equivalent(
        "helper methods and a function",
        answers=(
            ("sample", "noise = self.draw() if noise is None else noise\nreturn self.mean + self.scaled(noise)"),
            ("kl", "return sum_rows(kl_terms(self.mean, self.logvar))"),
            ("mode", "return self.center()"),
        ),
        swaps=(
            (
                "    # ## Task `sample`\n",
                """
    def draw(self):
        return torch.normal(torch.zeros_like(self.mean), torch.ones_like(self.mean))

    def scaled(self, noise):
        return noise * self.std

    def center(self):
        return self.mean

    # ## Task `sample`
""",
            ),
        ),
        bottom="""

        def kl_terms(mean, logvar):
            return -0.5 * (1 + logvar - mean.pow(2) - logvar.exp())


        def sum_rows(terms):
            return torch.stack([row.sum() for row in terms])
        """,
    ),
    Equivalent(
        "float32 constants and einsum",
        answers=(
            (
                "sample",
                """
                noise = torch.randn(self.mean.size()).to(self.mean) if noise is None else noise
                return torch.addcmul(self.mean, noise, (self.logvar / 2).exp())
                """,
            ),
            (
                "kl",
                """
                one = torch.ones_like(self.mean)
                square = torch.einsum("bz,bz->b", self.mean, self.mean)
                return (square + torch.einsum("bz,bz->b", self.var, one) - self.logvar.sum(1) - self.mean.size(1)) / 2
                """,
            ),
            (
                "nll",
                """
                log_two_pi = torch.log(torch.tensor(2 * math.pi))
                density = -0.5 * log_two_pi - torch.log(self.std) - (sample - self.mean).pow(2) / (2 * self.var)
                return -density.sum(dim=tuple(dims))
                """,
            ),
        ),
    ),
    Equivalent(
        "a private generator",
        answers=(
            (
                "sample",
                """
            if noise is None:
                noise = torch.randn(self.mean.shape, generator=_GENERATOR, dtype=self.mean.dtype)
            return self.mean + noise * torch.sqrt(self.var)
            """,
            ),
        ),
        top="\n\n_GENERATOR = torch.Generator().manual_seed(20140401)\n",
    ),
    Equivalent(
        "noise from numpy",
        answers=(
            (
                "sample",
                """
            if noise is None:
                noise = torch.from_numpy(np.random.default_rng().standard_normal(tuple(self.mean.shape)))
                noise = noise.to(self.mean.dtype)
            return self.mean + self.std * noise
            """,
            ),
        ),
        top="import numpy as np\n",
    ),
    Equivalent(
        "noise from numpy's global generator",
        answers=(
            (
                "sample",
                """
            if noise is None:
                noise = torch.as_tensor(np.random.randn(*self.mean.shape), dtype=self.mean.dtype)
            return self.mean + self.std * noise
            """,
            ),
        ),
        top="import numpy as np\n",
    ),
    Equivalent(
        "noise by normal_ and by Box and Muller",
        answers=(
            (
                "sample",
                "e = torch.empty_like(self.mean).normal_() if noise is None else noise\n"
                "return self.mean + e * self.std",
            ),
            (
                "prior_sample",
                """
                if noise is None:
                    radius = torch.sqrt(-2.0 * torch.log(1.0 - torch.rand(batch_size, self.z_dim)))
                    noise = radius * torch.cos(2.0 * math.pi * torch.rand(batch_size, self.z_dim))
                return self.decode(noise).mode()
                """,
            ),
        ),
    ),
    Equivalent(
        "loops over the batch",
        answers=(
            (
                "sample",
                """
                if noise is None:
                    noise = torch.stack([torch.randn_like(row) for row in self.mean])
                return torch.stack([m + s * e for m, s, e in zip(self.mean, self.std, noise)])
                """,
            ),
            ("kl", f"return torch.stack([row.sum() for row in {_TERMS}])"),
            ("mode", "return torch.stack(list(self.mean))"),
        ),
    ),
    Equivalent(
        "terms named one by one",
        answers=(
            (
                "kl",
                """
                trace = self.var.sum(dim=1)
                distance = (self.mean * self.mean).sum(dim=1)
                log_determinant = self.logvar.sum(dim=1)
                return 0.5 * (trace + distance - self.mean.shape[1] - log_determinant)
                """,
            ),
            (
                "nll",
                """
                standardised = (sample - self.mean) / self.std
                exponent = 0.5 * standardised.square()
                normaliser = 0.5 * self.logvar + 0.5 * math.log(2.0 * math.pi)
                total = exponent + normaliser
                for dim in sorted((d % total.dim() for d in dims), reverse=True):
                    total = total.sum(dim=dim)
                return total
                """,
            ),
            ("mode", "return self.mean.clone()"),
        ),
    ),
    Equivalent(
        "the loss of torch.nn",
        answers=(
            (
                "nll",
                """
            terms = nn.functional.gaussian_nll_loss(self.mean, sample, self.var, full=True, eps=1e-30, reduction="none")
            return terms.sum(dim=tuple(dims))
            """,
            ),
        ),
    ),
    Equivalent(
        "entropy and cross-entropy",
        answers=(
            (
                "kl",
                """
            prior = DiagonalGaussianDistribution(torch.zeros_like(self.mean))
            cross = prior.nll(self.mean, dims=[1]) + 0.5 * self.var.sum(dim=1)
            entropy = 0.5 * (1.0 + math.log(2.0 * math.pi) + self.logvar).sum(dim=1)
            return cross - entropy
            """,
            ),
        ),
    ),
    Equivalent(
        "expm1 and logarithms of std",
        answers=(
            ("kl", "return (self.mean.square() / 2 + torch.expm1(self.logvar) / 2 - torch.log(self.std)).sum(-1)"),
        ),
    ),
)
