"""Right models, written differently."""

from tests.zoo.entry import Equivalent
from tests.zoo.wrong.vae_log_likelihood import PLAIN

_RUNNING = """
    posterior = self.encode(x)
    estimate = None
    for _ in range(K):
        z = posterior.sample()
        prior = DiagonalGaussianDistribution(torch.zeros_like(z), torch.zeros_like(z))
        log_w = posterior.nll(z, dims=[1]) - prior.nll(z, dims=[1]) - self.decode(z).nll(x)
        estimate = log_w if estimate is None else torch.logaddexp(estimate, log_w)
    return estimate - math.log(K)
    """
_VECTORISED = """
    B = x.shape[0]
    q = self.encode(x)
    eps = torch.randn(B, K, self.z_dim)
    z = q.mean[:, None, :] + q.std[:, None, :] * eps
    x_hat = self.decode(z.view(B * K, self.z_dim)).mode().view(B, K, *x.shape[1:])
    constant = math.log(2.0 * math.pi)
    log_px_z = -0.5 * ((x[:, None].expand_as(x_hat) - x_hat) ** 2 + constant).sum(dim=(2, 3, 4))
    log_pz = -0.5 * (z**2 + constant).sum(dim=2)
    log_qz = -0.5 * (eps**2 + constant + q.logvar[:, None]).sum(dim=2)
    return torch.logsumexp(log_px_z + log_pz - log_qz, dim=1) - math.log(K)
    """
_PER_IMAGE = """
    with torch.no_grad():
        results = []
        for image in x:
            q = self.encode(image[None])
            weights = []
            for first in range(0, K, 50):
                k = min(50, K - first)
                eps = torch.randn(k, self.z_dim)
                z = q.mean + q.std * eps
                nll = self.decode(z).nll(image.expand(k, *image.shape))
                weights.append(-nll - 0.5 * (z**2).sum(1) + 0.5 * (eps**2).sum(1) + 0.5 * q.logvar.sum())
            log_w = torch.cat(weights)
            top = log_w.max()
            results.append(top + (log_w - top).exp().mean().log())
        return torch.stack(results)
    """
_DISTRIBUTIONS = """
    q = self.encode(x)
    q = torch.distributions.Independent(torch.distributions.Normal(q.mean, q.std), 1)
    log_w = torch.zeros(K, len(x))
    for k in range(K):
        z = q.rsample()
        p = torch.distributions.MultivariateNormal(torch.zeros(self.z_dim), torch.eye(self.z_dim))
        log_w[k] = -self.decode(z).nll(x) + p.log_prob(z) - q.log_prob(z)
    return log_w.logsumexp(0) - torch.log(torch.tensor(float(K)))
    """
_STREAMING = """
    q = self.encode(x)
    top, total = torch.full((len(x),), -math.inf), torch.zeros(len(x), dtype=torch.float64)
    for _ in range(K):
        eps = torch.randn_like(q.mean)
        z = q.sample(eps)
        log_w = -self.decode(z).nll(x) + 0.5 * (eps**2 - z**2 + q.logvar).sum(dim=1)
        new_top = torch.maximum(top, log_w)
        total = total * torch.exp(top - new_top) + torch.exp(log_w - new_top)
        top = new_top
    return (top + torch.log(total / K)).to(x.dtype)
    """
_IN_FLOAT64 = """
    q = self.encode(x)
    log_w = torch.empty(K, len(x), dtype=torch.float64)
    for k in range(K):
        eps = torch.randn_like(q.mean)
        z = q.sample(eps)
        log_px = -self.decode(z).nll(x).double()
        log_pz = -0.5 * (z.double() ** 2).sum(1)
        log_qz = -0.5 * (eps.double() ** 2).sum(1) - 0.5 * q.logvar.double().sum(1)
        log_w[k] = log_px + log_pz - log_qz
    return (log_w.logsumexp(dim=0) - math.log(K)).float()
    """

EQUIVALENT = (
    Equivalent("the plain estimate", answers=(("log_likelihood", PLAIN),)),
    Equivalent("running log-sum-exp", answers=(("log_likelihood", _RUNNING),)),
    Equivalent("all K codes at once", answers=(("log_likelihood", _VECTORISED),)),
    Equivalent("image by image, in chunks", answers=(("log_likelihood", _PER_IMAGE),)),
    Equivalent("importance weights by torch.distributions", answers=(("log_likelihood", _DISTRIBUTIONS),)),
    Equivalent("streaming maximum, float64 inside", answers=(("log_likelihood", _STREAMING),)),
    Equivalent("weights in float64", answers=(("log_likelihood", _IN_FLOAT64),)),
    Equivalent(
        "modules called directly",
        answers=(
            (
                "encode",
                "h = self.encoder(x)\nreturn DiagonalGaussianDistribution(logvar=self.logvar(h), mean=self.mean(h))",
            ),
            ("decode", "image = self.decoder(z)\nreturn DiagonalGaussianDistribution(image, torch.zeros_like(image))"),
            (
                "prior_sample",
                """
                if noise is None:
                    noise = torch.randn((batch_size, self.z_dim)).to(next(self.parameters()).device)
                with torch.no_grad():
                    return self.decoder(noise)
                """,
            ),
            (
                "forward",
                """
                h = self.encoder(x)
                q = DiagonalGaussianDistribution(self.mean(h), self.logvar(h))
                x_hat = self.decoder(q.sample(noise))
                return x_hat, DiagonalGaussianDistribution(x_hat).nll(x), q.kl()
                """,
            ),
            (
                "interpolate",
                """
                images = []
                with torch.no_grad():
                    for i in range(n_samples):
                        z = torch.lerp(z_1, z_2, i / (n_samples - 1))
                        images.append(model.decoder(z))
                return torch.cat(images, dim=0)
                """,
            ),
        ),
    ),
    Equivalent(
        "formulas spelled out",
        answers=(
            (
                "forward",
                """
                h = self.encoder(x)
                mean, logvar = self.mean(h), self.logvar(h).clamp(-30.0, 20.0)
                eps = torch.randn_like(mean) if noise is None else noise
                x_hat = self.decoder(mean + torch.exp(logvar / 2) * eps)
                nll = 0.5 * ((x - x_hat) ** 2).flatten(1).sum(1) + 0.5 * x[0].numel() * math.log(2 * math.pi)
                kl = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1)
                return x_hat, nll, kl
                """,
            ),
            (
                "prior_sample",
                "noise = torch.randn(batch_size, self.z_dim) if noise is None else noise\nreturn self.decoder(noise)",
            ),
        ),
    ),
    Equivalent(
        "codes by numpy, by steps",
        answers=(
            (
                "interpolate",
                """
            step = (z_2 - z_1) / (n_samples - 1)
            codes = torch.cat([z_1 + i * step for i in range(n_samples)])
            return model.decode(codes).mean
            """,
            ),
            (
                "prior_sample",
                """
            if noise is None:
                noise = torch.tensor(np.random.normal(size=(batch_size, self.z_dim)), dtype=torch.float32)
            return self.decode(noise).mean
            """,
            ),
        ),
        top="import numpy as np\n",
    ),
    Equivalent(
        "results under other names, in a list",
        answers=(
            (
                "forward",
                """
            q_z = self.encode(x)
            z = q_z.sample(noise=noise)
            p_x = self.decode(z)
            reconstruction = p_x.mode()
            losses = {"nll": p_x.nll(x, dims=[-3, -2, -1]), "kl": q_z.kl()}
            return [reconstruction, *losses.values()]
            """,
            ),
            (
                "interpolate",
                """
            alphas = [i / (n_samples - 1) for i in range(n_samples)]
            return torch.vstack([model.decode(z_1 + a * (z_2 - z_1)).mode() for a in alphas])
            """,
            ),
        ),
    ),
    Equivalent(
        "the prior as a distribution",
        answers=(
            (
                "prior_sample",
                """
            prior = DiagonalGaussianDistribution(torch.zeros(batch_size, self.z_dim, device=self.mean.bias.device))
            return self.decode(prior.sample(noise)).mode()
            """,
            ),
            (
                "interpolate",
                """
            t = torch.arange(n_samples, dtype=torch.float32).reshape(-1, 1) / (n_samples - 1)
            return model.decode(z_1 * (1 - t) + z_2 * t).mode()
            """,
            ),
        ),
    ),
    Equivalent(
        "eval mode inside, and back",
        answers=(
            (
                "log_likelihood",
                "was = self.training\nself.eval()\ntry:\n    return self._estimate(x, K)\n"
                "finally:\n    self.train(was)",
            ),
        ),
        swaps=(
            (
                "    # ## Task `log_likelihood`\n",
                """    @torch.no_grad()
    def _estimate(self, x, K):
        q = self.encode(x)
        log_w = []
        for _ in range(K):
            z = q.sample()
            log_q = torch.distributions.Normal(q.mean, q.std).log_prob(z).sum(1)
            log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
            log_w.append(log_p - log_q - self.decode(z).nll(x))
        return torch.stack(log_w, dim=1).logsumexp(dim=1) - math.log(K)

    # ## Task `log_likelihood`
""",
            ),
        ),
    ),
)
