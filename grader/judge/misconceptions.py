"""All misconceptions by task: id, what is wrong, the hint, and the formulas by which one is recognised.

A hint states a fact and points to the cause; it never gives the answer. Where a value check fails, the formula that the
submission computes is recovered (recover.py); if it is one of these, it names the mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .behaviours import BEHAVIOURS


@dataclass(frozen=True)
class Misconception:
    """One known mistake.

    Attributes:
        id: Name in reports, `<task>_<name>`.
        task: The task it belongs to.
        wrong: The wrong formula or behaviour, for instructors and class reports.
        hint: What the student reads: a pointer to the cause, not the answer.
        formulas: The formulas by which it is recognised, as reports write them; without "kl = " and the like, if the
            task has a single result.
    """

    id: str
    task: str
    wrong: str
    hint: str
    formulas: tuple[str, ...] = ()


# fmt: off
_FORMULAS: dict[str, list[tuple[str, ...]]] = {
    "sample": [
        ("var_for_std", "mean + var * noise",
         "The noise is multiplied by the variance. Is that the standard deviation?",
         "mean + var * noise"),
        ("logvar_for_std", "mean + logvar * noise",
         "The noise is multiplied by logvar, which can be negative. What is logvar the logarithm of?",
         "mean + logvar * noise"),
        ("std_twice", "mean + exp(logvar / 4) * noise",
         "A square root is taken twice. self.std is already the square root of the variance.",
         "mean + sqrt(std) * noise"),
        ("no_mean", "std * noise", "The samples are centred at zero. Where is the distribution centred?",
         "std * noise"),
        ("noise_ignored", "mean", "The result is the mean itself: the noise has no effect. Where is it used?",
         "mean"),
        ("noise_only", "noise", "The noise is returned unchanged: mean and scale have no effect. Where are they used?",
         "noise"),
        ("std_ignored", "mean + noise",
         "The spread of the samples does not depend on the distribution. What must scale the noise?",
         "mean + noise"),
        ("std_inverted", "mean + noise / std",
         "A wider distribution gives narrower samples here. How does the standard deviation enter?",
         "mean + noise / std"),
        ("minus_noise", "mean - std * noise",
         "The noise has the opposite sign. Noise that is passed in must keep its sign.",
         "mean - std * noise"),
        ("std_added", "mean + std + noise",
         "The standard deviation is added. How does a standard deviation act on standard normal noise?",
         "mean + std + noise"),
    ],
    "kl": [
        ("missing_half", "factor 1/2 forgotten",
         "The result is too large by a constant factor. Compare it with appendix B of the paper.",
         "sum(mean^2 + var - logvar - 1)"),
        ("negated", "minus the divergence",
         "The result is negative, but a divergence never is. Note that appendix B gives the negative divergence.",
         "-1/2 sum(mean^2 + var - logvar - 1)"),
        ("std_for_var", "std in place of the variance",
         "One term has a wrong power of sigma. Which power does the closed form contain?",
         "1/2 sum(mean^2 + std - logvar - 1)"),
        ("logvar_plus", "+ logvar",
         "One of the terms has the wrong sign. Does your result grow when the variance approaches 0?",
         "1/2 sum(mean^2 + var + logvar - 1)"),
        ("missing_one", "- 1 forgotten",
         "The result is not 0 for the standard normal distribution. What does your formula give there?",
         "1/2 sum(mean^2 + var - logvar)"),
        ("mean_not_squared", "mean in place of mean^2",
         "The result changes when the mean changes its sign. Is a mean of -1 closer to the prior than a mean of 1?",
         "1/2 sum(mean + var - logvar - 1)"),
        ("mean_missing", "mean^2 forgotten",
         "The result does not depend on the mean. Must it grow as the mean moves away from zero?",
         "1/2 sum(var - logvar - 1)"),
        ("log_std", "log std in place of log variance",
         "A logarithm is wrong by a factor. Is it the logarithm of the variance, or of its square root?",
         "sum(1/2 mean^2 + 1/2 var - 1/4 logvar - 1/2)"),
        ("reversed", "KL(prior || posterior)",
         "The two distributions are swapped. Which one does the expectation run over?",
         "1/2 sum(1/var + mean^2/var + logvar - 1)"),
        ("var_missing", "variance term forgotten",
         "A very wide posterior is far from the prior. Does your result grow when the variance becomes large?",
         "1/2 sum(mean^2 - logvar - 1)"),
        ("mean_over_dims", "mean over dimensions",
         "The result is averaged over the dimensions. Do divergences of independent dimensions add up, or average?",
         "1/2 mean(mean^2 + var - logvar - 1)"),
        ("missing_half_mean", "1/2 only on the variance terms",
         "One term lacks a factor. Does the factor stand before all terms?",
         "sum(mean^2 + 1/2 var - 1/2 logvar - 1/2)"),
        ("var_squared", "variance squared",
         "The variance is squared. Is exp applied to twice the logarithm, or var squared once more?",
         "1/2 sum(mean^2 + var^2 - logvar - 1)"),
    ],
    "nll": [
        ("no_constant", "log 2 pi left out", "The normalising constant of the density is missing. Which one is it?",
         "1/2 sum((sample - mean)^2/var + logvar)"),
        ("no_half", "factor 1/2 forgotten", "The result is twice as large as it should be. Which factor is missing?",
         "sum((sample - mean)^2/var + logvar + log(2 pi))"),
        ("negated", "the log-density itself",
         "The result has the opposite sign. The negative log-density is asked for.",
         "-1/2 sum((sample - mean)^2/var + logvar + log(2 pi))"),
        ("no_logvar", "log-determinant left out",
         "A term is missing. A narrower density is higher at its centre: which term expresses that?",
         "1/2 sum((sample - mean)^2/var + log(2 pi))"),
        ("std_for_var", "squared error divided by std",
         "The squared error is divided by the standard deviation. In which units is a squared error measured?",
         "1/2 sum((sample - mean)^2/std + logvar + log(2 pi))"),
        ("no_var", "squared error not divided",
         "The squared error is not scaled. Does an error count the same under a narrow and under a wide distribution?",
         "1/2 sum((sample - mean)^2 + logvar + log(2 pi))"),
        ("logvar_no_half", "logvar in place of log std",
         "The logarithm is too large by a factor. Is it the logarithm of the standard deviation, or of its square?",
         "sum(1/2 (sample - mean)^2/var + logvar + 1/2 log(2 pi))"),
        ("constant_no_half", "log 2 pi in place of its half",
         "The constant is twice as large as it should be. In the density, it stands under a square root.",
         "1/2 sum((sample - mean)^2/var + logvar + 2 log(2 pi))"),
        ("constant_once", "the constant added once",
         "The constant is added only once. Does it grow with the number of dimensions?",
         "1/2 sum((sample - mean)^2/var + logvar) + 1/2 log(2 pi)"),
        ("mean_over_dims", "mean in place of sum",
         "The result is averaged over dims. Do log-densities of independent dimensions add up, or average?",
         "1/2 mean((sample - mean)^2/var + logvar + log(2 pi))"),
        ("squared_error", "squared error only",
         "The result is a squared error, not yet a log-density. What else does the density contain?",
         "sum((sample - mean)^2)"),
        ("half_squared_error", "half squared error only",
         "The result is the exponent only. The scale and the constant of the density are missing.",
         "sum(1/2 (sample - mean)^2)"),
        ("logvar_minus", "- logvar / 2",
         "One term has the wrong sign. Does a wider density make a point near the centre more or less likely?",
         "1/2 sum((sample - mean)^2/var - logvar + log(2 pi))"),
        ("error_not_squared", "error in place of its square",
         "The error has the wrong power. Look at the exponent of the normal density.",
         "1/2 sum((sample - mean)/var + logvar + log(2 pi))"),
        ("var_multiplied", "squared error times var",
         "The squared error is multiplied by the variance. Should a wide distribution punish an error more, or less?",
         "1/2 sum((sample - mean)^2 var + logvar + log(2 pi))"),
        ("pi_once", "log pi in place of log 2 pi",
         "The constant is too small. Look at the constant of the normal density again.",
         "1/2 sum((sample - mean)^2/var + logvar + log(pi))"),
    ],
    "mode": [
        ("sample", "a random draw",
         "Two calls gave two different results. Where is a normal density highest, and is that place random?"),
        ("std", "the standard deviation", "The result is the standard deviation. Where is a normal density highest?",
         "std"),
        ("var", "the variance", "The result is the variance. Where is a normal density highest?",
         "var"),
        ("logvar", "the log-variance", "The result is logvar. Where is a normal density highest?",
         "logvar"),
        ("zero", "zero", "The result is zero everywhere. Does the highest point of a density move with its centre?",
         "0"),
        ("density", "the density at the mean",
         "The result is the height of the maximum. The place of the maximum is asked for.",
         "1/sqrt(2 pi) 1/std"),
        ("plus_std", "mean + std", "The result depends on the standard deviation. Where is a normal density highest?",
         "mean + std"),
    ],
    "encode": [
        ("swapped_heads", "heads swapped", "The two heads are swapped. Which head belongs to which parameter?",
         "mean = self.logvar(h)"),
        ("no_logvar", "log-variance left out",
         "The spread of the posterior does not depend on the image. Where is self.logvar used?",
         "logvar = 0"),
        ("same_head", "one head for both",
         "Both parameters come from the same head. Which head belongs to which parameter?",
         "logvar = self.mean(h)"),
        ("var_as_logvar", "exp of the head", "The head's output is already a log-variance. Is exp applied to it?",
         "logvar = exp(self.logvar(h))"),
        ("log_of_var", "log of the head", "The head's output is already a log-variance. Is its logarithm taken?",
         "logvar = log(self.logvar(h))"),
        ("logvar_doubled", "twice the head",
         "The log-variance is twice the head's output. Does the head predict a std, a variance or a logarithm?",
         "logvar = 2 self.logvar(h)"),
        ("logvar_halved", "half the head",
         "The log-variance is half the head's output. Does the head predict a std, a variance or a logarithm?",
         "logvar = 1/2 self.logvar(h)"),
        ("tanh_mean", "mean through tanh", "tanh is applied to the mean. The outputs of the heads are used unchanged.",
         "mean = tanh(self.mean(h))"),
    ],
    "decode": [
        ("sigmoid", "sigmoid on the decoder's output",
         "sigmoid is applied to the decoder's output. That output is already the mean, and images range from -1 to 1.",
         "mean = sigmoid(self.decoder(z))"),
        ("tanh", "tanh on the decoder's output",
         "tanh is applied to the decoder's output. That output is already the mean.",
         "mean = tanh(self.decoder(z))"),
        ("mean_as_logvar", "the output as log-variance too",
         "The decoder's output is used as logvar too. Which variance does p(x|z) have?",
         "logvar = self.decoder(z)"),
        ("clamped", "output clamped to [-1, 1]",
         "The output is clamped to [-1, 1]. The mean of a normal distribution has no bounds.",
         "mean = clamp(self.decoder(z), -1, 1)"),
        ("negated", "minus the output", "The image has the opposite sign. Where does the minus come from?",
         "mean = -self.decoder(z)"),
    ],
    "prior_sample": [
        ("sampled_pixels", "a draw from p(x|z)",
         "Noise was added to the pixels. The modes of p(x|z) are asked for, not samples."),
        ("noise_ignored", "noise argument not used",
         "The noise that was passed in has no effect. If noise is given, it is the code to decode.",
         "image = self.decoder(0)"),
        ("noise_scaled", "noise scaled or shifted",
         "The noise that was passed in is changed. The prior is standard normal, so this noise is z itself.",
         "image = self.decoder(2 noise)"),
        ("uniform_prior", "uniform codes", "The codes are uniformly distributed. Which distribution is the prior?"),
        ("sigmoid", "sigmoid on images", "sigmoid is applied to the images. They are the modes of p(x|z), unchanged.",
         "image = sigmoid(self.decoder(noise))"),
        ("same_code", "one code for all images",
         "Several images come from the same code. Each image needs its own code."),
    ],
    "forward": [
        ("swapped", "nll and kl swapped", "nll and kl are swapped. Look at the order of the three results.",
         "nll = kl of the posterior", "kl = nll of x"),
        ("mean_decoded", "posterior mode decoded",
         "The mode of the posterior is decoded. The code must be a sample of the posterior.",
         "the decoded code = mean", "nll = nll of x under decode(mean)"),
        ("noise_ignored", "random despite given noise",
         "Two calls with the same noise gave different results. Is the noise used, and is nothing else random?"),
        ("var_for_std", "mean + var * noise",
         "The noise of the code is multiplied by the variance. Is that the standard deviation?",
         "the decoded code = mean + var * noise"),
        ("another_code", "nll of another draw",
         "For given noise, nll is right. Without it, it is not that of the reconstruction. Do both use the same code?"),
        ("prior_decoded", "noise decoded",
         "The noise itself is decoded. The code comes from the posterior of this image, not from the prior.",
         "the decoded code = noise"),
        ("averaged", "averages over the batch",
         "The result is averaged over the batch. One number per image is asked for.",
         "nll = mean of nll over the batch", "kl = mean of kl over the batch"),
        ("mean_over_pixels", "mean over pixels",
         "nll is averaged over the pixels. Do log-densities of pixels add up, or average?",
         "nll = nll of x / D"),
        ("negated_nll", "log-likelihood for nll",
         "nll has the opposite sign. Is it a log-density, or a negative log-density?",
         "nll = -nll of x"),
        ("squared_error", "squared error for nll",
         "nll is a squared error, not yet a negative log-density. Which density is asked for?",
         "nll = sum((x - reconstruction)^2)"),
        ("half_squared_error", "half squared error for nll",
         "nll is the exponent of the density only. The constant of the density is missing.",
         "nll = 1/2 sum((x - reconstruction)^2)"),
        ("sampled_pixels", "a draw from p(x|z)",
         "The reconstruction contains pixel noise. The mode of p(x|z) is asked for, not a sample."),
        ("reconstruction_is_x", "the input returned",
         "The reconstruction is the input itself. It must be decoded from a code.",
         "reconstruction = x"),
        ("nll_of_reconstruction", "nll of the reconstruction",
         "nll is evaluated at the reconstruction. Whose density is asked for, and at which point?",
         "nll = nll of the reconstruction itself"),
    ],
    "log_likelihood": [
        ("missing_log_k", "- log K left out",
         "The weights are added up, not averaged. A mean of K weights is a sum divided by K: what is that in "
         "logarithms?",
         "logsumexp(log w)"),
        ("log_k_added", "+ log K", "log K has the wrong sign. What does a division by K become in logarithms?",
         "logsumexp(log w) + log K"),
        ("negated", "minus the log-likelihood",
         "The result has the opposite sign. The log-likelihood itself is asked for.",
         "log w = -log p(x|z) - log p(z) + log q(z|x)"),
        ("elbo", "mean of logs", "The result is the mean of the logarithms. Is that the logarithm of the mean?",
         "mean(log w)"),
        ("averaged", "mean over the batch",
         "The result is averaged over the batch. One number per image is asked for.",
         "mean of log_likelihood over the batch"),
        ("batch", "right for one image, wrong in a batch",
         "The result for a single image is right. Are codes, images and weights of the same image kept together?"),
        ("best_weight", "maximum of the weights",
         "Only the largest weight counts in your result. All K weights must count.",
         "max(log w)"),
        ("no_prior", "prior left out",
         "A density is missing. A weight consists of three densities: which one is not there?",
         "log w = log p(x|z) - log q(z|x)"),
        ("no_posterior", "posterior left out",
         "A density is missing. The codes are drawn from q, not from the prior: what corrects for that?",
         "log w = log p(x|z) + log p(z)"),
        ("minus_prior", "prior divided",
         "One of the densities is on the wrong side of the fraction. Which ones belong in the numerator?",
         "log w = log p(x|z) - log p(z) - log q(z|x)"),
        ("plus_posterior", "posterior multiplied",
         "One of the densities is on the wrong side of the fraction. Which ones belong in the numerator?",
         "log w = log p(x|z) + log p(z) + log q(z|x)"),
        ("likelihood_only", "prior and posterior left out",
         "Two densities are missing. A weight consists of three densities: which two are not there?",
         "log w = log p(x|z)"),
        ("posterior_scale", "log-determinant of the posterior left out",
         "The density of q is incomplete. A narrower posterior has a higher density at its codes: which term "
         "expresses that?",
         "log w = log p(x|z) + log p(z) - log q(z|x) - 1/2 sum(logvar)"),
        ("wrong_count", "another number of codes than K",
         "The number of codes is not K. Each image needs K codes of its own, also when you work in chunks: count "
         "them."),
        ("underflow", "exp before the mean", "exp(-3000) is 0 in floating point. Can each step use logarithms?"),
        ("one_sample", "K samples that are all the same",
         "All K codes are the same. Does each of them get its own noise?"),
        ("mode_only", "the posterior's mode in place of samples",
         "All K codes are the posterior's mode, so the estimate is always the same. What should be random?"),
    ],
    "interpolate": [
        ("reversed", "from z_2 to z_1", "The path runs backwards. The first image belongs to z_1.",
         "w = 1 - i / (n - 1)"),
        ("without_ends", "end points left out",
         "The end points are missing. Both belong to the path: look at the spacing.",
         "w = (i + 1) / (n + 1)"),
        ("without_last", "last point left out",
         "The last point is missing. The last image belongs to z_2: look at the spacing.",
         "w = i / n"),
        ("in_pixels", "images mixed, not codes",
         "The images are mixed, so that each shows both end points at once. What should be mixed before decoding?",
         "images (1 - w) decode(z_1) + w decode(z_2)"),
        ("spherical", "spherical path", "The path is an arc. A straight line is asked for.",
         "codes on an arc"),
        ("constant", "one code repeated", "Every image is the same. Does the weight change along the path?",
         "w = 0"),
        ("weights_add", "z_1 + w z_2",
         "The weight of z_1 is the same at every point. What should it be at the last one?",
         "codes z_1 + w z_2"),
        ("random_codes", "random codes on the path",
         "Two calls gave different images. The path is determined by its end points alone."),
    ],
}
# fmt: on

CATALOGUE = tuple(
    Misconception(f"{task}_{name}", task, wrong, hint, tuple(formulas))
    for task, entries in (BEHAVIOURS | _FORMULAS).items()
    for name, wrong, hint, *formulas in entries
)

_BY_ID = {m.id: m for m in CATALOGUE}


def of_formula(task: str, line: str) -> Misconception | None:
    """Return the misconception of a task that has this formula, such as "kl = sum(mean^2)", or None."""
    text = line.removeprefix(f"{task} = ")
    return next((m for m in CATALOGUE if m.task == task and text in m.formulas), None)


def by_id(identifier: str) -> Misconception:
    """Return a misconception; raises KeyError for an unknown id."""
    return _BY_ID[identifier]


def right_only(kind: str) -> Misconception:
    """Return that results are right for one kind of inputs only, such as `in_float64`; see behaviours.py."""
    return by_id(f"right_only_{kind}")


def short_axis(shape: Sequence[int]) -> Misconception | None:
    """Return what to name if a result for this shape is wrong, after those for longer axes were right."""
    return right_only("longer_axes") if 1 in shape else None
