"""All misconceptions, task by task: id, what is wrong, and the hint; and how wrong values are told apart.

A hint points to the cause and never gives the answer. A failed value check recomputes the wrong formulas of its task
(wrong_formulas.py) on its own inputs; the one whose values came names the mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Misconception:
    """One known mistake.

    Attributes:
        id: Name in reports, `<task>_<what>`.
        task: The task it belongs to.
        wrong: What the wrong formula is, for instructors and reports of a class.
        hint: What the student reads: the cause, not the answer.
    """

    id: str
    task: str
    wrong: str
    hint: str


def match(
    actual: Tensor, known: Sequence[tuple[Misconception, Tensor]], *, unit: float, size: Tensor
) -> Misconception | None:
    """Return the first misconception whose values came, or None.

    Args:
        actual: What came.
        known: Misconceptions and the values that each leads to.
        unit: The check's own.
        size: That of the right answer; where a wrong one is much smaller, its own values count.
    """
    for misconception, values in known:
        if values.shape == actual.shape:
            one, other = actual.double(), values.double()
            own = other.abs().nan_to_num(nan=0.0)
            near = (one - other).abs() <= unit * torch.minimum(size, 10 * (own + own.mean()))
            if bool((near | (one == other) | (one.isnan() & other.isnan())).all()):
                return misconception
    return None


_LAYERS = [
    (
        "unregistered",
        "layers in a plain list, or made in forward",
        "layers in a list, or made in forward, are not seen: make them in __init__, in nn.ModuleList or nn.Sequential",
    ),
    ("dead_parameters", "layers without effect", "is each layer used in forward, and is nothing detached?"),
    ("mixes_batch", "images that see each other", "look for sums, means or reshapes across the batch dimension"),
    ("random", "noise or dropout in eval mode", "what is random must heed self.training: see nn.Dropout"),
]

_ENTRIES = {
    "noise": [
        (
            "not_normal",
            "noise of another distribution",
            "which distribution does the noise come from, which scale?",
        ),
        ("uniform", "uniform noise", "the noise is uniform: which function of torch draws from a normal distribution?"),
        ("cut_off", "noise cut off", "large numbers never come: a normal distribution has no bounds, clamp none of it"),
        ("not_fresh", "noise drawn once", "draw one number per element, at every call: no fixed seed, no shared draw"),
    ],
    "gradient": [
        (
            "cut",
            "no gradient passes",
            "detach(), no_grad(), .data, numpy, or a new tensor made from numbers cuts the graph",
        ),
    ],
    "in_place": [
        (
            "change",
            "inputs or attributes overwritten",
            "is one assigned anew? And operations ending in _ (add_, clamp_), +=, sort() and pop() work in place",
        ),
    ],
    "model": [
        ("left_switched", "train or eval mode left behind", "what calls eval() or turns gradients off must undo it"),
    ],
    "encoder": [
        *_LAYERS,
        ("out_features", "wrong width stated", "out_features must follow from the image's size and the strides"),
    ],
    "decoder": [
        *_LAYERS,
        (
            "no_transposed_convolution",
            "another way to upsample",
            "nn.ConvTranspose2d of stride 2 doubles height and width",
        ),
    ],
    "sample": [
        ("var_for_std", "mean + var * noise", "noise is scaled by a standard deviation; which attribute holds it?"),
        ("logvar_for_std", "mean + logvar * noise", "logvar is a logarithm; noise needs a scale that is positive"),
        ("std_twice", "mean + exp(logvar / 4) * noise", "the given std is already a square root of the variance"),
        ("no_mean", "std * noise", "where is the distribution centred?"),
        ("noise_ignored", "mean", "the result is the mean itself: the noise has no effect"),
        ("noise_only", "noise", "the noise is returned as it is: mean and scale have no effect"),
        ("std_ignored", "mean + noise", "the spread of the noise does not depend on the distribution"),
        ("std_inverted", "mean + noise / std", "a wider distribution must give a wider sample"),
        ("minus_noise", "mean - std * noise", "given noise must enter with its own sign"),
        ("std_added", "mean + std + noise", "how does a standard deviation act on standard normal noise?"),
    ],
    "kl": [
        ("missing_half", "factor 1/2 forgotten", "it is a constant factor too large; compare with appendix B"),
        ("negated", "minus the divergence", "a divergence is never negative; appendix B writes down its negative"),
        ("std_for_var", "std in place of the variance", "which power of sigma stands in the closed form?"),
        ("logvar_plus", "+ logvar", "one of the terms has the wrong sign: the divergence must be 0 at the prior"),
        ("missing_one", "- 1 forgotten", "what should come out at the standard normal, and what does?"),
        ("mean_not_squared", "mean in place of mean^2", "moving the mean up or down must cost the same"),
        ("mean_missing", "mean^2 forgotten", "the divergence must grow as the mean leaves zero"),
        ("log_std", "log std in place of log variance", "is your logarithm that of the variance or of its root?"),
        ("reversed", "KL(prior || posterior)", "the two distributions have changed places"),
        ("var_missing", "variance term forgotten", "a very wide posterior must be far from the prior"),
        ("mean_over_dims", "mean over dimensions", "independent dimensions: do divergences add up or average?"),
        ("missing_half_mean", "1/2 only on the variance terms", "does the factor stand before all terms?"),
        ("var_squared", "variance squared", "exp was applied to twice the logarithm, or var was squared once more"),
    ],
    "nll": [
        ("no_constant", "log 2 pi left out", "a density has a normalising constant; it is missing"),
        ("no_half", "factor 1/2 forgotten", "the result is twice too large"),
        ("negated", "the log-density itself", "the sign: negative log-density is asked for"),
        ("no_logvar", "log-determinant left out", "a narrower density is higher at its centre: which term says so?"),
        ("std_for_var", "squared error divided by std", "the squared error is measured in units of which quantity?"),
        ("no_var", "squared error not divided", "the error is not measured in units of the variance"),
        ("logvar_no_half", "logvar in place of log std", "the logarithm of the standard deviation, or of its square?"),
        ("constant_no_half", "log 2 pi in place of its half", "the constant stands under a square root in the density"),
        ("constant_once", "the constant added once", "does the constant grow with the number of dimensions?"),
        ("mean_over_dims", "mean in place of sum", "log-densities of independent dimensions: sum or average?"),
        ("squared_error", "squared error only", "that is a squared error, not yet a log-density"),
        ("half_squared_error", "half squared error only", "that is the exponent only: scale and constant are missing"),
        ("logvar_minus", "- logvar / 2", "does a wider density make a point near the centre more or less likely?"),
        ("error_not_squared", "error in place of its square", "look at the exponent of the normal density"),
        ("var_multiplied", "squared error times var", "should a wide distribution punish an error more or less?"),
        ("pi_once", "log pi in place of log 2 pi", "look at the constant of the normal density once more"),
    ],
    "mode": [
        ("sample", "a random draw", "two calls give two results: where is a normal density highest?"),
        ("std", "the standard deviation", "where is a normal density highest?"),
        ("var", "the variance", "where is a normal density highest?"),
        ("logvar", "the log-variance", "where is a normal density highest?"),
        ("zero", "zero", "the highest point of a density moves with its centre"),
        ("density", "the density at the mean", "the place of the maximum is asked for, not its height"),
        ("plus_std", "mean + std", "where is a normal density highest?"),
    ],
    "encode": [
        ("swapped_heads", "heads changed places", "which head belongs to which parameter?"),
        ("no_logvar", "log-variance left out", "the posterior's spread does not depend on the image"),
        ("same_head", "one head for both", "both parameters come from the same head"),
        ("var_as_logvar", "exp of the head", "the head's output is a log-variance already"),
        ("log_of_var", "log of the head", "the head's output is a log-variance already"),
        ("logvar_doubled", "twice the head", "std, variance and their logarithms: which one is the head's output?"),
        ("logvar_halved", "half the head", "std, variance and their logarithms: which one is the head's output?"),
        ("tanh_mean", "mean through tanh", "the heads' outputs are used as they are"),
    ],
    "decode": [
        (
            "sigmoid",
            "sigmoid on the decoder's output",
            "the decoder's output is the mean as it is: images span [-1, 1]",
        ),
        ("tanh", "tanh on the decoder's output", "the decoder's output is the mean as it is"),
        ("mean_as_logvar", "the output as log-variance too", "which variance does p(x|z) have?"),
        ("clamped", "output clamped to [-1, 1]", "no clamps: the mean of a normal distribution is unbounded"),
        ("negated", "minus the output", "the sign of the image changed"),
    ],
    "prior_sample": [
        ("sampled_pixels", "a draw from p(x|z)", "the modes are asked for: pixel noise was added"),
        ("noise_ignored", "given noise not used", "if noise is given, it is the code to decode"),
        ("noise_scaled", "noise scaled or shifted", "the prior is standard normal: given noise is z itself"),
        ("uniform_prior", "uniform codes", "which distribution is the prior?"),
        ("sigmoid", "sigmoid on images", "images are the modes of p(x|z), as they are"),
        ("same_code", "one code for all images", "each image needs a code of its own"),
    ],
    "forward": [
        ("swapped", "nll and kl changed places", "look at the order of the three results"),
        ("mean_decoded", "posterior mode decoded", "the code is a sample of the posterior, not its mode"),
        (
            "noise_ignored",
            "chance beside given noise",
            "if noise is given, the sample uses it, and nothing else is random",
        ),
        ("var_for_std", "mean + var * noise", "the noise of the code is scaled by a standard deviation"),
        ("prior_decoded", "noise decoded", "the code comes from the posterior of this image, not from the prior"),
        ("averaged", "averages over the batch", "one number per image is asked for"),
        ("mean_over_pixels", "mean over pixels", "log-densities of pixels add up"),
        ("negated_nll", "log-likelihood for nll", "the sign of the nll"),
        ("squared_error", "squared error for nll", "that is a squared error, not yet a negative log-density"),
        (
            "half_squared_error",
            "half squared error for nll",
            "that is the exponent of the density only: its constant is missing",
        ),
        ("sampled_pixels", "a draw from p(x|z)", "the reconstruction is a mode, not a draw"),
        ("reconstruction_is_x", "the input returned", "the reconstruction is decoded from a code"),
        ("nll_of_reconstruction", "nll of the reconstruction", "whose density is to be evaluated at which point?"),
    ],
    "log_likelihood": [
        ("missing_log_k", "- log K left out", "a mean of K weights is a sum divided by K: what is that in logarithms?"),
        ("log_k_added", "+ log K", "dividing by K: which sign has it in logarithms?"),
        ("negated", "minus the log-likelihood", "the log-likelihood itself is asked for, not its negative"),
        ("elbo", "mean of logs", "the logarithm of a mean is not the mean of logarithms"),
        ("averaged", "mean over the batch", "one number per image is asked for"),
        ("best_weight", "maximum of the weights", "all K weights count, not the largest alone"),
        ("no_prior", "prior left out", "a weight has three densities: which one is missing?"),
        ("no_posterior", "posterior left out", "samples come from q, not from the prior: what corrects for that?"),
        ("minus_prior", "prior divided", "one of the densities stands on the wrong side of the fraction"),
        ("plus_posterior", "posterior multiplied", "one of the densities stands on the wrong side of the fraction"),
        ("likelihood_only", "prior and posterior left out", "a weight has three densities: which two are missing?"),
        (
            "posterior_scale",
            "log-determinant of the posterior left out",
            "a narrower posterior is denser at its codes: is q's density complete?",
        ),
        (
            "wrong_count",
            "another number of codes than K",
            "count the codes: each image needs K of its own, whatever the chunks",
        ),
        ("underflow", "exp before the mean", "exp(-3000) is 0 in floating point: stay in logarithms"),
        ("one_sample", "K samples that are all the same", "each of the K codes needs noise of its own"),
        (
            "mode_only",
            "the posterior's mode in place of samples",
            "the estimate is always the same: what is random?",
        ),
    ],
    "interpolate": [
        ("reversed", "from z_2 to z_1", "the first image belongs to z_1"),
        ("without_ends", "end points left out", "both end points belong to the path"),
        ("without_last", "last point left out", "the last image belongs to z_2: look at the spacing"),
        ("in_pixels", "images mixed, not codes", "mix the codes, then decode: a mix of two images shows both at once"),
        ("spherical", "spherical path", "a straight line is asked for"),
        ("constant", "one code repeated", "every image is the same: does the weight vary along the path?"),
        ("weights_add", "z_1 + w z_2", "the weights of the two codes must add up to one everywhere"),
        ("random_codes", "chance on the path", "the path is determined by its end points alone"),
    ],
    "training": [
        (
            "negative",
            "loss without a lower bound",
            "neither nll of unit variance nor kl can be negative here: does each of them enter with its own sign?",
        ),
        (
            "too_low",
            "less than the constant of nll",
            "log-densities of pixels add up: is anything in nll left out, averaged or scaled?",
        ),
        ("too_large", "loss far too large", "how large are the first weights, and what do they make of an image?"),
        (
            "range",
            "the decoder's last layer bounds its output",
            "pixels out of this range can never be reconstructed: which values can the decoder's last layer give?",
        ),
        ("channel", "a colour channel that never varies", "which layer makes this channel, and is it cut off there?"),
        (
            "same_image",
            "reconstructions all alike",
            "the code has no effect on the image in eval mode: what does decode make of it?",
        ),
        (
            "other_loss",
            "a loss that is not the model's",
            "whose nll does forward return, and at which code? Or does a layer behave otherwise in eval mode "
            "(batch norm, dropout)?",
        ),
        ("same_code", "one code for all images", "does encode look at the image?"),
        (
            "collapse",
            "posterior equals the prior",
            "the KL term went to 0: the code says nothing about the image. Is kl weighed too heavily against nll, "
            "or nll that of other images or other codes?",
        ),
        (
            "few_dimensions",
            "one or two dimensions used",
            "where do the features become so few: does the encoder see the whole image, has each head z_dim outputs?",
        ),
        ("no_learning", "loss does not fall", "the loss does not fall: do gradients reach every part?"),
        (
            "diverged",
            "loss not finite",
            "look for the logarithm or root of 0, exp of a large number, or a division by zero",
        ),
        ("frozen", "parts that never move", "some parameters never changed: are they used in forward?"),
        (
            "no_kl",
            "trained without the KL term",
            "posteriors are far too narrow: is the KL term part of what forward returns?",
        ),
    ],
}

CATALOGUE = tuple(
    Misconception(f"{task}_{name}", task, wrong, hint)
    for task, entries in _ENTRIES.items()
    for name, wrong, hint in entries
)

_BY_ID = {m.id: m for m in CATALOGUE}


def by_id(identifier: str) -> Misconception:
    """Return a misconception; raises KeyError for an unknown id."""
    return _BY_ID[identifier]
