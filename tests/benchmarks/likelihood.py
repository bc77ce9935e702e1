"""The importance-sampled log-likelihood, beside the plain loop: `python -m tests.benchmarks likelihood`.

The plain loop encodes the images again for each of the K samples and keeps all weights. Ours is what
`evaluate_log_likelihood` does with the reference. Also: how much memory more samples take, and how far estimates are
from log-likelihoods that are known exactly.
"""

import math
import resource
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from assignment.evaluate import evaluate_log_likelihood
from assignment.settings import Settings
from assignment.train import new_model
from data import load, normalise
from data.commandline import Parser, image_source, whole
from solution.__main__ import use_channels_last
from solution.VAE_Model import VAE, DiagonalGaussianDistribution
from tests.benchmarks.measure import Variant, interleaved, machine, seconds, table


@torch.no_grad()
def plain_loop(model: Any, images: Tensor, K: int, batch_size: int = 64) -> Tensor:
    """Estimate log p(x) of each image, sample by sample."""
    found = []
    for part in images.split(batch_size):
        x, log_weights = normalise(part), []
        for _ in range(K):
            posterior = model.encode(x)
            z = posterior.sample()
            prior = DiagonalGaussianDistribution(torch.zeros_like(z))
            log_weights.append(posterior.nll(z, dims=[1]) - prior.nll(z, dims=[1]) - model.decode(z).nll(x))
        found.append(torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(K))
    return torch.cat(found)


class Linear(VAE):
    """A model whose likelihood is known: the decoder is linear with orthogonal columns of length `scale`.

    Its encoder is the true posterior with the variance multiplied by `inflation`. With 1, every importance weight is
    p(x), so the estimate is exact for every K; with more, weights differ, but are bounded.
    """

    def __init__(self, z_dim: int, inflation: float = 1.0, scale: float = 3.0):
        super().__init__(z_dim=z_dim, encoder_features=2, decoder_features=2)
        generator = torch.Generator().manual_seed(0)
        columns, _ = torch.linalg.qr(torch.randn(3072, z_dim, generator=generator, dtype=torch.float64))
        self.columns, self.scale, self.inflation = columns, scale, inflation

    def encode(self, x: Tensor) -> DiagonalGaussianDistribution:
        """Return the true posterior, inflated: mean W^T x / (1 + s^2), variance 1 / (1 + s^2)."""
        mean = self.scale * x.flatten(1) @ self.columns.to(x) / (1 + self.scale**2)
        variance = self.inflation / (1 + self.scale**2)
        return DiagonalGaussianDistribution(mean, torch.full_like(mean, math.log(variance)))

    def decode(self, z: Tensor) -> DiagonalGaussianDistribution:
        """Return N(W z, I)."""
        return DiagonalGaussianDistribution((self.scale * z @ self.columns.to(z).T).view(-1, 3, 32, 32))

    def exact(self, x: Tensor) -> Tensor:
        """Return log N(x; 0, I + W W^T) in float64."""
        x, s = x.double().flatten(1), self.scale**2
        squares = (x**2).sum(dim=1) - s / (1 + s) * ((x @ self.columns) ** 2).sum(dim=1)
        return -0.5 * (squares + self.z_dim * math.log(1 + s) + x.shape[1] * math.log(2 * math.pi))


def errors(images: Tensor, K: int) -> str:
    """Return how far the estimate with K samples is from the known log-likelihoods."""
    lines = []
    for z_dim, inflation in ((32, 1.0), (2, 1.5)):
        model = Linear(z_dim, inflation)
        error = evaluate_log_likelihood(model, images, K) - model.exact(normalise(images))
        lines.append(
            f"z_dim {z_dim}, variance times {inflation}: at most {error.abs().max():.1e} nats,"
            f" {error.mean():+.1e} on average ({len(images)} images, K = {K:,}, float32)"
        )
    return "\n".join(lines)


def memory(model: Any, images: Tensor, few: int, many: int) -> str:
    """Return how the process's peak memory grows from few samples to many."""
    peaks = []
    for K in (few, few, many):  # the first warms up
        evaluate_log_likelihood(model, images, K)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return f"peak memory {peaks[1]:.0f} MiB after K = {few:,}, {peaks[2]:.0f} MiB after K = {many:,}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = Parser(prog="python -m tests.benchmarks likelihood", description=__doc__)
    parser.add_argument("--data", type=image_source, default="sample", help="as for python -m solution [sample]")
    parser.add_argument("--rounds", type=whole(1), default=8, help="how often each is measured [8]")
    parser.add_argument("--images", type=whole(1), default=128, help="in each round [128]")
    parser.add_argument("--k", type=whole(1), default=50, help="samples in each round [50]")
    parser.add_argument(
        "--many", type=whole(1), default=10_000, help="samples for the errors, and for the memory [10,000]"
    )
    parser.add_argument("--features", type=whole(1), default=32, help="width of the networks [32]")
    options = parser.parse_args(argv)
    images = load(options.data, "test").images[: options.images]
    model = new_model(VAE, images, Settings(features=options.features)).eval()
    tuned = new_model(VAE, images, Settings(features=options.features)).eval()
    use_channels_last(tuned)
    print(f"{machine()}\n\n{len(images)} images, K = {options.k}\n")
    found = interleaved(
        [
            Variant("plain loop", lambda: seconds(lambda: plain_loop(model, images, options.k))),
            Variant("log_likelihood", lambda: seconds(lambda: evaluate_log_likelihood(model, images, options.k))),
            Variant(
                "and channels_last: `python -m solution`",
                lambda: seconds(lambda: evaluate_log_likelihood(tuned, images, options.k)),
            ),
        ],
        options.rounds,
    )
    print(table(found, "ms an image", len(images) / 1000, "plain loop"))
    print(f"\n{memory(model, images[:8], 100, options.many)}")
    print(errors(images[:8], options.many))
    print(machine())
