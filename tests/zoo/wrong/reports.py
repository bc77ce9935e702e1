"""What reports say of entries whose name is not a formula of the catalogue, and of those that have no name.

Each name and each formula was compared with the code of its entry.
"""

# The misconception that the behaviour of an entry shows; the first one that lists an entry is its diagnosis.
# fmt: off
NAMES: dict[str, tuple[str, ...]] = {
    "numbers_random": (
        "sample: given noise not used", "kl: one sample's estimate", "decode: noise added to the code",
        "prior_sample: given noise not used", "prior_sample: noise sampled around",
        "prior_sample: given noise of the last dimension drawn anew",
    ),
    "right_only_longer_axes": (
        "sample: squeezed", "kl: squeezed", "sample: second axis of length 1 lost",
        "sample: noise of one dimension broadcast", "sample: std of one dimension that of the first row",
        "kl: one dimension summed over the rows", "kl: mean of one dimension crosswise",
        "kl: one row as one distribution", "decode: grey images lose their channel",
        "prior_sample: grey images lose their channel", "prior_sample: codes of one dimension: the first for all",
        "forward: reconstruction of grey images loses its channel", "forward: nll of grey images crosswise",
        "forward: squared error of grey images crosswise", "forward: kl of one dimension crosswise",
        "log_likelihood: one weight summed over the images",
        "log_likelihood: prior of one dimension summed over all codes",
        "log_likelihood: log-determinant of one dimension summed over all codes",
        "log_likelihood: grey images summed over all codes", "interpolate: grey images lose their channel",
        "interpolate: path of one dimension constant",
    ),
    "numbers_close": (
        "sample: bfloat16 inside", "kl: epsilon in the logarithm", "kl: float16 inside",
        "kl: a small epsilon in the logarithm", "encode: bfloat16 inside", "forward: x changed in place",
    ),
    "right_only_contiguous": (
        "sample: right for contiguous tensors only", "kl: right for contiguous tensors only",
        "interpolate: right for contiguous codes only", "kl: memory of the mean read in order",
        "kl: memory of the variance read in order", "mode: memory read in order",
        "sample: memory of the noise read in order", "sample: memory of the noise as its storage holds it",
        "sample: noise through numpy, in the order of memory", "interpolate: memory of z_1 read in order",
        "interpolate: memory of z_2 read in order", "interpolate: z_1 as its storage holds it",
        "interpolate: codes repeated in memory", "interpolate: numbers of the storage",
    ),
    "right_only_moderate": (
        "sample: an epsilon under the root", "kl: log-variance clamped", "kl: a small epsilon in the logarithm",
        "kl: log-variance clamped above", "kl: capped", "kl: free bits of a row", "encode: log-variance clamped",
        "forward: log-variance clamped", "log_likelihood: log-variance clamped", "decode: clamped far out",
    ),
    "right_only_alone": (
        "kl: right for one row only",
    ),
    "gradient_part": (
        "kl: variance detached",
    ),
    "numbers_rounded": (
        "kl: float16 inside", "mode: bfloat16 inside", "decode: bfloat16 inside", "prior_sample: bfloat16 inside",
        "forward: bfloat16 inside", "log_likelihood: bfloat16 inside", "log_likelihood: float16 inside",
    ),
    "memory_earlier": (
        "kl: remembered from the first call", "sample: remembered by the id of given noise",
        "kl: remembered by the id of the mean", "mode: remembered by the id of the mean",
        "interpolate: remembered by n_samples", "interpolate: remembered by the id of z_1",
    ),
    "right_only_first_call": (
        "kl: right at the first call only",
    ),
    "right_only_in_float64": (
        "kl: half precision for float32", "decode: half precision inside",
    ),
    "numbers_not_finite": (
        "encoder: nan", "encode: logarithm of the head", "log_likelihood: exp before the mean",
        "kl: a root that has no slope at zero",
        "interpolate: a direction of length one, which a path of length zero has not",
    ),
    "right_only_in_eval": (
        "encode: right in eval mode only", "decode: right in eval mode only",
        "prior_sample: right in eval mode only",
    ),
    "numbers_same": (
        "encoder: multiplied by zero", "encoder: a constant", "decoder: a constant",
        "decode: a learned variance, one at first",
    ),
    "model_own_parameters": (
        "prior_sample: a learned prior, standard normal at first",
    ),
    "forward_another_code": (
        "forward: another draw for the nll",
    ),
    "log_likelihood_batch": (
        "log_likelihood: images mixed up", "log_likelihood: x repeated the other way",
        "log_likelihood: the first image's posterior for all",
    ),
    "right_only_few_dimensions": (
        "kl: eight dimensions at most", "kl: logarithm of the product of variances",
        "kl: logarithm of the product of stds", "kl: logarithm of a determinant",
        "kl: logarithm of a running product", "forward: kl by the logarithm of the product of variances",
        "forward: kl by the logarithm of the product of stds", "forward: kl by the logarithm of a determinant",
    ),
    "memory_argument": (
        "sample: remembered on the object, by the shape of given noise", "sample: lru_cache",
    ),
    "memory_same_tensors": (
        "sample: remembered in the class, by the first numbers",
        "kl: remembered in the class, by the id of the mean and the shape", "mode: remembered by the rounded sum",
        "decode: remembered by the shape of the codes", "decode: remembered by the id and shape of the codes",
        "decode: remembered by the first number of the codes", "decode: lru_cache",
        "prior_sample: remembered by the batch size, for given noise",
        "prior_sample: remembered by the id of given noise",
        "prior_sample: remembered in the class, by the rounded sum of given noise",
        "forward: remembered by the batch size, for given noise",
        "forward: remembered by the ids of images and noise",
        "forward: remembered by the first number of given noise",
        "forward: remembered in the class, by the id of the images",
        "log_likelihood: posterior remembered by the shape of the images",
        "log_likelihood: posterior remembered by the id of the images",
        "log_likelihood: repeated images remembered by K and shape", "interpolate: remembered by the first numbers",
        "interpolate: remembered on the model, by the shapes", "interpolate: lru_cache",
        "encoder: remembered by the rounded sum, without gradients",
        "decoder: remembered by the first number, without gradients",
    ),
    "memory_overwritten": (
        "sample: a buffer of the object for given noise", "kl: a buffer of the class",
        "decode: a buffer for the images", "prior_sample: a buffer for the images of given noise",
        "forward: a buffer for the reconstruction of given noise", "interpolate: a buffer of the file",
    ),
    "right_only_elsewhere": (
        "kl: remembered by the first number",
    ),
    "memory_same_shape": (
        "mode: a buffer of the class",
    ),
    "numbers_clamped": (
        "mode: clamped to where codes usually are",
    ),
    "right_only_in_small_batches": (
        "decode: the rest of a chunk left out", "prior_sample: the rest of a chunk left out",
    ),
    "encoder_input_ignored": (
        "encoder: the first channel for all", "encoder: two channels only",
        "encoder: the last channel left out in eval mode", "encoder: the top left quarter only",
        "encoder: the right half left out", "encoder: the left half mirrored", "encoder: the lower quarter left out",
        "encoder: the last quarter of columns left out", "encoder: the centre only", "encoder: the centre enlarged",
        "encoder: at most 32 pixels",
    ),
    "decoder_input_ignored": (
        "decoder: the first dimension for all", "decoder: the first dimension only",
        "decoder: the last dimension left out", "decoder: two dimensions only",
        "decoder: the last dimension left out in eval mode", "decoder: the first layer one dimension narrower",
    ),
    "decoder_copied_channels": (
        "decoder: grey images only",
    ),
    "decoder_fixed_pixels": (
        "decoder: a border that is always 0",
    ),
}

# How the formula begins that a report shows of an entry without a name in the catalogue.
COMPUTES = {
    "sample: cooled down": "sample = mean + 7/10 std * noise",
    "sample: noise clamped": "the right sample where |noise| is at most",
    "kl: right for unit variance only": "kl = sum(1/2 mean^2)",
    "kl: absolute mean": "kl = 1/2 sum(|mean| + var - logvar - 1)",
    "kl: weighted, as in a beta-VAE": "kl = 2 sum(mean^2 + var - logvar - 1)",
    "kl: free bits": "the right kl where every term of the sum is at least",
    "kl: the first dimension only": "the right kl of dimension 0 alone",
    "kl: right for one row only": "the right kl for one row alone, wrong in a batch of 44",
    "kl: right for 32 dimensions only": "kl = 16 mean(mean^2 + var - logvar - 1)",
    "mode: clamped to pixels": "the right mode where |mean| is at most",
    "mode: one for the batch": "the right mode with mean averaged over the batch",
    "encode: std for log-variance": "logvar = exp(self.logvar(h) / 2)",
    "encode: log-variance through softplus": "logvar = softplus(self.logvar(h))",
    "encode: hidden through relu": "mean = self.mean(relu(h))",
    "encode: batch mixed in": "mean = self.mean(h - mean of h over the batch)",
    "encode: right for one image only": "mean = self.mean(mean of h over the batch)",
    "encode: scaled again": "mean = self.mean(encoder(x / 127.5 - 1))",
    "decode: one as log-variance": "logvar = 1",
    "decode: small variance": "logvar = -2",
    "decode: turned on its side": "mean = self.decoder(z), turned",
    "decode: scaled to bytes": "mean = 127.5 + 127.5 self.decoder(z)",
    "decode: right for one code only": "mean = mean of self.decoder(z) over the batch",
    "decode: code normalised": "mean = self.decoder(z / |z|)",
    "prior_sample: right for unit scale only": "image = self.decoder(noise / std of the noise)",
    "prior_sample: clamped to pixels": "image = clamp(self.decoder(noise), -1, 1)",
    "prior_sample: tanh": "image = tanh(self.decoder(noise))",
    "prior_sample: codes returned": "image = -5.579",
    "forward: cross-entropy for nll": "nll = sum of the cross-entropy of (x + 1) / 2 and sigmoid(reconstruction)",
    "forward: weighted, as in a beta-VAE": "kl = 4 kl of the posterior",
    "forward: kl per pixel": "kl = kl of the posterior / D, D = 768 pixels",
    "forward: the loss added up": "nll = nll of x + kl of the posterior",
    "forward: clamped reconstruction": "reconstruction = clamp(the right image, -1, 1)",
    "forward: scaled again": "the decoded code = mean + std * noise, with the posterior of x / 127.5 - 1",
    "forward: free bits of an image": "the right kl where it is at least",
    "forward: a learned weight of kl, one at first": "kl = 1.0",
    "log_likelihood: log K twice": "log_likelihood = logsumexp(log w) - 2 log K",
    "log_likelihood: K - 1 for K": "log_likelihood = logsumexp(log w) - log(K - 1)",
    "log_likelihood: codes from the prior": "the codes are noise",
    "log_likelihood: std not used": "the codes are mean + noise",
    "log_likelihood: variance for std": "the codes are mean + var * noise",
    "log_likelihood: log-determinant not halved": "log w = log p(x|z) + log p(z) - log q(z|x) + 1/2 sum(logvar)",
    "log_likelihood: kl for the log ratio": "log w = log p(x|z) - kl",
    "log_likelihood: weights normalised": "log_likelihood = sum(softmax(log w) * log w)",
    "log_likelihood: weights clamped": "log w = -700",
    "log_likelihood: all weights in one sum": "log_likelihood = log of the mean of all B K weights",
    "log_likelihood: right in eval mode only": "log_likelihood = mean(log w)",
    "log_likelihood: x scaled again": "log w = log p(x|z) + log p(z) - log q(z|x), of the image x / 127.5 - 1",
    "log_likelihood: posterior's mean for that of each code": "log w = log p(x|z) + log p(z) - log q(mean|x)",
    "log_likelihood: median of the weights": "log_likelihood = median(log w)",
    "log_likelihood: dimension found by its size":
        "the right log_likelihood for B = 4 and K = 3, wrong for B = 3 and K = 3",
    "log_likelihood: log K of the default": "log w = log p(x|z) + log p(z) - log q(z|x) - log(100)",
    "interpolate: without the first": "w = (i + 1) / n",
    "interpolate: uneven": "w = (i / (n - 1))^2",
    "interpolate: smooth at the ends": "w = 1/2 - cos(pi i / (n - 1)) / 2",
    "interpolate: right for two images only": "w = i / (n - 1), rounded",
    "interpolate: integer weights": "w = i / (n - 1), rounded down",
    "interpolate: half precision weights": "for n_samples = 7, codes that are 1, 0.833, 0.666, 0.5, 0.",
    "interpolate: clamped to pixels": "image = clamp(the right image, -1, 1)",
    "interpolate: right in eval mode only": "w = (i / (n - 1))^2",
    "interpolate: weights along the code": "w = j / (z - 1) in dimension j of every code (1 - w) z_1 + w z_2",
    "interpolate: only half of the way": "w = i / (n - 1) / 2",
    "interpolate: the first image twice": "for n_samples = 7, codes that are 1, 1, 0.8, 0.6, 0.4, 0.2",
    "sample: given noise of the last dimension not used": "the right sample except for dimension 2 (of 0 to 2)",
    "sample: the first row's std for all": "the right sample, with logvar of row 0 for every row",
    "kl: the last dimension left out": "the right kl of all dimensions except the last",
    "kl: the first row's variance for all": "the right kl, with logvar of row 0 for every row",
    "mode: the first row in place of the last": "the right mode except for row 43 (of 0 to 43)",
    "decode: the last dimension left out": "mean = self.decoder(z without the last dimension)",
    "decode: the first code for all": "mean = self.decoder(z of row 0) for every row",
    "decode: the third channel left out": "the right mean except for channel 2 (of 0 to 2)",
    "decode: the last row of pixels left out": "the right mean except for row of pixels 15 (of 0 to 15)",
    "prior_sample: given noise of the last dimension not used":
        "image = self.decoder(noise without the last dimension)",
    "prior_sample: given noise of the last row not used": "the right image except for image 5 (of 0 to 5)",
    "forward: the third channel left out of nll": "nll = nll of x without channel 2",
    "forward: the third channel's error left out": "nll = nll of x without the error of channel 2",
    "forward: the border left out of nll": "nll = nll of x without the border",
    "forward: the last row of pixels left out of nll": "nll = nll of x without the last row of pixels",
    "forward: the last dimension left out of kl": "kl = kl of the posterior without the last dimension",
    "forward: the first image's kl for all": "kl = kl of the first image",
    "forward: given noise of the last dimension not used":
        "the decoded code = mean + std * noise, without the last dimension of noise",
    "forward: given noise of the first row for all":
        "the decoded code = mean + std * noise, with noise of row 0 for every row",
    "forward: two channels encoded only":
        "the decoded code = mean + std * noise, with the posterior of x without channel 2",
    "log_likelihood: the last dimension left out of the prior":
        "log w = log p(x|z) + log p(z) without the last dimension - log q(z|x)",
    "log_likelihood: the last dimension left out of the posterior":
        "log w = log p(x|z) + log p(z) - log q(z|x) without the last dimension",
    "log_likelihood: the last row of pixels left out of p(x|z)":
        "log w = log p(x|z) without the last row of pixels + log p(z) - log q(z|x)",
    "log_likelihood: no noise in the last dimension":
        "the codes are mean + std * noise, without noise in dimension 4",
    "interpolate: the first dimension moves only": "the right codes for dimension 0 only (of 0 to 4)",
    "interpolate: the last dimension stays": "the right codes except for dimension 4 (of 0 to 4)",
    "interpolate: the last dimension zero": "the right codes except for dimension 4 (of 0 to 4)",
}
# fmt: on
