"""Wrong answers to `log_likelihood`: the plain estimate with one thing changed."""

from tests.zoo.entry import Wrong

# (K, B) codes at once, log w = log p(x|z) + log p(z) - log q(z|x), and the log of their mean.
_LINES = {
    "first": "",
    "B": "B = len(x)",
    "q": "q = self.encode(x)",
    "noise": "noise = torch.randn(K * B, self.z_dim, dtype=x.dtype)",
    "z": "z = q.mean.repeat(K, 1) + q.std.repeat(K, 1) * noise",
    "unit": "unit = DiagonalGaussianDistribution(torch.zeros_like(z))",
    "log_px": "log_px = -self.decode(z).nll(x.repeat(K, 1, 1, 1))",
    "log_pz": "log_pz = -unit.nll(z, dims=[1])",
    "log_qz": "log_qz = -unit.nll(noise, dims=[1]) - 0.5 * q.logvar.repeat(K, 1).sum(dim=1)",
    "log_w": "log_w = log_px + log_pz - log_qz",
    "view": "log_w = log_w.view(K, B)",
    "result": "return torch.logsumexp(log_w, dim=0) - math.log(K)",
}
PLAIN = "\n".join(_LINES.values())
"""The right answer that the entries below change."""


def _changed(name: str, diagnosis: str = "", also: tuple[str, ...] = (), **lines: str) -> Wrong:
    assert lines.keys() <= _LINES.keys()
    answer = "\n".join({**_LINES, **lines}.values()).strip()
    return Wrong("log_likelihood", name, answer, diagnosis=diagnosis, also=also)


_LSE = "torch.logsumexp(log_w, dim=0)"
_ALL = "torch.cat(log_w).logsumexp(dim=0) - math.log(K)"


def _in_chunks(
    name: str, result: str, diagnosis: str = "", k: str = "min(chunk, K - start)", chunks: str = ""
) -> Wrong:
    answer = f"""
q, B, chunk, log_w = self.encode(x), len(x), min(K, 100), []
for start in {chunks or "range(0, K, chunk)"}:
    k = {k}
    noise = torch.randn(k * B, self.z_dim)
    z = q.mean.repeat(k, 1) + q.std.repeat(k, 1) * noise
    log_pz_over_qz = 0.5 * (noise**2 - z**2 + q.logvar.repeat(k, 1)).sum(dim=1)
    log_w.append((log_pz_over_qz - self.decode(z).nll(x.repeat(k, 1, 1, 1))).view(k, B))
return {result}
"""
    return Wrong("log_likelihood", name, answer.strip(), diagnosis=diagnosis)


WRONG = (
    _changed("log K left out", "log_likelihood_missing_log_k", result=f"return {_LSE}"),
    _changed("log K added", "log_likelihood_log_k_added", result=f"return {_LSE} + math.log(K)"),
    _changed("negated", "log_likelihood_negated", result=f"return math.log(K) - {_LSE}"),
    _changed("ELBO", "log_likelihood_elbo", result="return log_w.mean(dim=0)"),
    _changed(
        "averaged over the batch", "log_likelihood_averaged", result=f"return ({_LSE} - math.log(K)).mean().expand(B)"
    ),
    _changed("best weight", "log_likelihood_best_weight", result="return log_w.amax(dim=0)"),
    _changed("no prior", "log_likelihood_no_prior", log_w="log_w = log_px - log_qz"),
    _changed("no posterior", "log_likelihood_no_posterior", log_w="log_w = log_px + log_pz"),
    _changed("prior on the wrong side", "log_likelihood_minus_prior", log_w="log_w = log_px - log_pz - log_qz"),
    _changed("posterior on the wrong side", "log_likelihood_plus_posterior", log_w="log_w = log_px + log_pz + log_qz"),
    _changed("exp before the mean", "log_likelihood_underflow", result="return log_w.exp().mean(dim=0).log()"),
    _changed(
        "one code for all K",
        "log_likelihood_one_sample",
        noise="noise = torch.randn(B, self.z_dim, dtype=x.dtype).repeat(K, 1)",
    ),
    _changed("reconstruction only", "log_likelihood_likelihood_only", log_w="log_w = log_px"),
    _changed("log K twice", result=f"return {_LSE} - 2 * math.log(K)"),
    _changed("K - 1 for K", result=f"return {_LSE} - math.log(max(K - 1, 1))"),
    _changed(
        "the mode encoded only",
        "log_likelihood_mode_only",
        ("log_likelihood_one_sample",),
        noise="noise = torch.zeros(K * B, self.z_dim, dtype=x.dtype)",
    ),
    _changed("codes from the prior", z="z = noise"),
    _changed("std not used", z="z = q.mean.repeat(K, 1) + noise"),
    _changed("variance for std", z="z = q.mean.repeat(K, 1) + q.var.repeat(K, 1) * noise"),
    _changed(
        "log-determinant left out", "log_likelihood_posterior_scale", log_qz="log_qz = -unit.nll(noise, dims=[1])"
    ),
    _changed(
        "log-determinant not halved", log_qz="log_qz = -unit.nll(noise, dims=[1]) - q.logvar.repeat(K, 1).sum(dim=1)"
    ),
    _changed("kl for the log ratio", log_w="log_w = log_px - q.kl().repeat(K)"),
    _changed("weights normalised", result="return (log_w.softmax(dim=0) * log_w).sum(dim=0)"),
    _changed("weights clamped", result="return torch.logsumexp(log_w.clamp(min=-700.0), dim=0) - math.log(K)"),
    _changed("K ignored", "log_likelihood_wrong_count", first="K = 100"),
    _changed(
        "K ignored but in log K",
        "log_likelihood_wrong_count",
        noise="k, K = K, 100\nnoise = torch.randn(K * B, self.z_dim, dtype=x.dtype)",
        result=f"return {_LSE} - math.log(k)",
    ),
    _changed(
        "half of the codes",
        "log_likelihood_wrong_count",
        noise="k, K = K, (K + 1) // 2\nnoise = torch.randn(K * B, self.z_dim, dtype=x.dtype)",
        result=f"return {_LSE} - math.log(k)",
    ),
    _changed(
        "K at most 500",
        "log_likelihood_wrong_count",
        first="k, K = K, min(K, 500)",
        result=f"return {_LSE} - math.log(k)",
    ),
    # The batch
    _changed("images mixed up", view="log_w = log_w.view(B, K).T"),
    _changed("x repeated the other way", log_px="log_px = -self.decode(z).nll(x.repeat_interleave(K, dim=0))"),
    _changed("summed over the batch", result=f"return ({_LSE} - math.log(K)).sum()"),
    _changed("averaged to one number", result=f"return ({_LSE} - math.log(K)).mean()"),
    _changed(
        "all weights in one sum", result="return torch.logsumexp(log_w.flatten(), dim=0).expand(B) - math.log(K * B)"
    ),
    _changed("squeezed", result=f"return ({_LSE} - math.log(K)).squeeze()"),
    _changed("dimension kept", result="return torch.logsumexp(log_w, dim=0, keepdim=True) - math.log(K)"),
    _changed("summed over images, not codes", view="log_w = log_w.view(K, B).T"),
    _changed(
        "the batch's maximum",
        also=("log_likelihood_underflow",),
        result="top = log_w.max()\nreturn (log_w - top).exp().mean(dim=0).log() + top",
    ),
    # Numbers
    _changed("bfloat16 inside", result="return torch.logsumexp(log_w.bfloat16(), dim=0).float() - math.log(K)"),
    _changed("float16 inside", result="return torch.logsumexp(log_w.half(), dim=0).float() - math.log(K)"),
    _changed("float64 out", result=f"return ({_LSE} - math.log(K)).double()"),
    _changed(
        "seeded inside",
        noise="torch.manual_seed(0)\nnoise = torch.randn(K * B, self.z_dim, dtype=x.dtype)",
        diagnosis="noise_not_fresh",
    ),
    _changed(
        "right in eval mode only",
        result=f"return log_w.mean(dim=0) if self.training else {_LSE} - math.log(K)",
        also=("log_likelihood_elbo",),
    ),
    _changed("x changed in place", also=("in_place_change",), first="x.clamp_(-1.0, 1.0)"),
    _changed("x scaled again", first="x = x / 127.5 - 1.0"),
    Wrong(
        "log_likelihood",
        "remainder of the chunks dropped",
        "q, B, chunk, log_w = self.encode(x), len(x), min(K, 8), []\n"
        "for _ in range(K // chunk * chunk):\n"
        "    z = q.sample()\n"
        "    unit = DiagonalGaussianDistribution(torch.zeros_like(z))\n"
        "    log_w.append(-self.decode(z).nll(x) - unit.nll(z, dims=[1]) + q.nll(z, dims=[1]))\n"
        "return torch.logsumexp(torch.stack(log_w), dim=0) - math.log(K)",
        diagnosis="log_likelihood_wrong_count",
    ),
    Wrong(
        "log_likelihood",
        "posterior's mean for that of each code",
        "q, log_w = self.encode(x), []\n"
        "for _ in range(K):\n"
        "    z = q.sample()\n"
        "    unit = DiagonalGaussianDistribution(torch.zeros_like(z))\n"
        "    log_w.append(-self.decode(z).nll(x) - unit.nll(z, dims=[1]) + q.nll(q.mode(), dims=[1]))\n"
        "return torch.logsumexp(torch.stack(log_w), dim=0) - math.log(K)",
    ),
    Wrong(
        "log_likelihood", "a method of another name", swaps=(("    def log_likelihood(self", "    def loglik(self"),)
    ),
    # Right for some numbers: of codes, of images, of the variance
    _in_chunks(
        "mean of the chunks' estimates", "torch.stack([w.logsumexp(0) - math.log(len(w)) for w in log_w]).mean(0)"
    ),
    _in_chunks("last chunk counted whole", _ALL, "log_likelihood_wrong_count", k="chunk"),
    _in_chunks(
        "remainder of chunks of 100 dropped",
        _ALL,
        "log_likelihood_wrong_count",
        chunks="range(0, K - chunk + 1, chunk)",
    ),
    _changed(
        "ELBO of few codes",
        "log_likelihood_elbo",
        result=f"return {_LSE} - math.log(K) if K > 50 else log_w.mean(dim=0)",
    ),
    _changed("median of the weights", result="return log_w.median(dim=0).values"),
    _changed(
        "an epsilon in the logarithm",
        result="top = log_w.amax(0)\nreturn top + ((log_w - top).exp().mean(0) + 1e-3).log()",
    ),
    _changed(
        "codes used twice",
        "log_likelihood_wrong_count",
        noise="noise = torch.randn(K * B, self.z_dim)[torch.randint(K * B, (K * B,))]",
    ),
    _changed(
        "log-variance clamped",
        q="q = self.encode(x)\nq = DiagonalGaussianDistribution(q.mean, q.logvar.clamp(-10, 10))",
    ),
    _changed("density floored", log_qz=f"{_LINES['log_qz']}\nlog_qz = (log_qz.exp() + 1e-8).log()"),
    _changed(
        "dimension found by its size",
        result="d = list(log_w.T.shape).index(K)\nreturn log_w.T.logsumexp(d) - math.log(K)",
    ),
    _changed("log K of the default", result=f"return {_LSE} - math.log(100)"),
    _changed("eval mode left behind", "model_left_switched", first="self.eval()"),
)
