"""Mistakes that a submission's behaviour shows, and no formula: ids, what is wrong, and hints; see misconceptions.py.

`right_only`: the usual inputs came first and gave the right result, so the check that fails names the kind of inputs.
`memory`: a single call is right, and one of several calls is not. `numbers`: what all wrong numbers have in common.
"""

# fmt: off
_LAYERS = [
    ("unregistered", "layers in a plain list, or created in forward",
     "The module does not register layers in a plain list, or layers created in forward. Create them in __init__, in "
     "nn.ModuleList or nn.Sequential."),
    ("dead_parameters", "layers without effect",
     "Some parameters get no gradient. Is each layer used in forward, and is nothing detached?"),
    ("mixes_batch", "images of a batch influence each other",
     "The output for one input depends on the others in the batch. Look for sums, means or reshapes across the batch "
     "dimension."),
    ("random", "noise or dropout in eval mode",
     "The output is random in eval mode. Random operations must depend on self.training: see nn.Dropout."),
    ("input_ignored", "a part of the input has no effect",
     "A part of the input has no effect. Is it cut off, multiplied by zero, or left out by an index?"),
]

BEHAVIOURS: dict[str, list[tuple[str, ...]]] = {
    "noise": [
        ("not_normal", "noise from another distribution",
         "The noise is not standard normal. Which distribution does it come from, and with which scale?"),
        ("uniform", "uniform noise", "The noise is uniform. Which function of torch draws from a normal distribution?"),
        ("cut_off", "noise cut off",
         "Large numbers never occur, but a normal distribution has no bounds. Is the noise clamped?"),
        ("not_fresh", "noise drawn once",
         "The noise repeats or is correlated. Does every call draw one number per element, without a fixed seed?"),
    ],
    "gradient": [
        ("cut", "no gradient passes",
         "detach(), no_grad(), .data, numpy and new tensors built from numbers cut the graph. Is one of them used?"),
        ("part", "a part of the gradient is missing",
         "The value is right, and its gradient is not. Is a part of it detached, or computed from .data or numbers?"),
    ],
    "in_place": [
        ("change", "inputs or attributes overwritten",
         "Operations ending in _ (add_, clamp_), +=, sort() and pop() work in place. Is one of them used, or is an "
         "attribute reassigned?"),
    ],
    "model": [
        ("own_parts", "layers or parameters besides the encoder, the heads and the decoder",
         "The formulas use the encoder, the heads and the decoder, each as a whole. Is anything else used?"),
        ("left_switched", "train or eval mode not restored",
         "The call changed the mode of the model. Code that calls eval() or turns gradients off must undo it."),
    ],
    "encoder": [
        *_LAYERS,
        ("out_features", "wrong width stated",
         "out_features is not the width of the features. It must follow from the image size and the strides."),
    ],
    "decoder": [
        *_LAYERS,
        ("fixed_pixels", "pixels that never vary",
         "Some pixels never vary. Is a border added after the last layer, or a part of the image not written?"),
        ("copied_channels", "colour channels that are copies",
         "Two colour channels are copies of each other. How many channels does the last layer output?"),
        ("no_transposed_convolution", "another way to upsample",
         "No transposed convolution enlarges its input. nn.ConvTranspose2d with stride 2 doubles height and width."),
    ],
    "right_only": [
        ("contiguous", "right for contiguous tensors only",
         "The result for contiguous tensors is right; these are non-contiguous, like a transposed tensor. Are numbers "
         "read in the order of memory, for example by as_strided, a storage or numpy?"),
        ("in_float64", "right in float64 only",
         "The result in float64 is right. Which step uses a lower precision, creates tensors of another dtype, or "
         "overflows or underflows in float32?"),
        ("in_eval", "right in eval mode only",
         "The result in eval mode is right; this is train mode. What in your code behaves differently there?"),
        ("in_train", "right in train mode only",
         "The result in train mode is right; this is eval mode. What in your code behaves differently there?"),
        ("alone", "right for one row, wrong in a batch",
         "The result for a single row is right; this is a batch. Are its rows mixed up, added or averaged?"),
        ("in_small_batches", "right for few rows only",
         "The result for small batches is right. Are some rows left out, or handled differently, in large ones?"),
        ("moderate", "right for moderate numbers only",
         "The result for moderate means and variances is right. Is anything clamped, an epsilon added, or an exp too "
         "large?"),
        ("few_dimensions", "right for few dimensions only",
         "The result for few dimensions is right. Does a product over all dimensions overflow or underflow, or does "
         "anything count them?"),
        ("longer_axes", "wrong where an axis has length 1",
         "The result for longer axes is right. Is an axis of length 1 lost, for example by squeeze()?"),
        ("elsewhere", "right for other inputs only",
         "Results for other inputs are right. Does yours depend on how many numbers there are, or how extreme?"),
        ("first_call", "right at the first call only",
         "The first call was right. What does it change that the second call uses?"),
    ],
    "memory": [
        ("overwritten", "one buffer for two results",
         "A single call was right, but this result changed when the method was called again. Is one buffer used for "
         "two results?"),
        ("same_tensors", "a result of the same tensors is reused",
         "A single call was right, but not a call after new numbers were written into the same tensors. Is a result "
         "kept for later calls?"),
        ("same_shape", "a result for another tensor is reused",
         "A single call was right, but not a call with other tensors of the same shape. Is a result kept for later "
         "calls, and when is it used again?"),
        ("earlier", "the result of an earlier call",
         "This is the result of an earlier call with other inputs. Is a result kept for later calls, and when is it "
         "used again?"),
        ("argument", "a result for another argument is reused",
         "A single call was right, but not two calls on one object with two different arguments. Is a result kept for "
         "later calls?"),
    ],
    "numbers": [
        ("random", "random although nothing random is asked for",
         "Two calls with the same arguments give different results. What in it is random?"),
        ("same", "the same result for every row",
         "The result is the same for every row. Is it computed from each row alone?"),
        ("not_finite", "nan or infinite",
         "Look for exp of a large number, log of zero, or a division by zero."),
        ("rounded", "rounded to 16 bits",
         "The numbers have the precision of a 16-bit type. Where does half() or bfloat16() enter?"),
        ("clamped", "clamped",
         "Numbers beyond a bound are the bound itself. Is anything clamped?"),
        ("shifted", "all numbers off by the same number or factor",
         "Each of these numbers differs from the expected one by the same number, or the same factor."),
        ("close", "nearly right",
         "The numbers are close. Is a step rounded to a lower precision, an epsilon added, or a number clamped?"),
    ],
    "training": [
        ("negative", "loss without a lower bound",
         "Neither kl nor an nll of unit variance can be negative here. Does each of them enter with the right sign?"),
        ("too_low", "less than the constant of nll",
         "Log-densities of pixels add up. Is anything in nll left out, averaged or scaled?"),
        ("too_large", "loss far too large",
         "The loss is far too large. How large are the initial weights, and what do they do to an image?"),
        ("range", "the decoder's last layer bounds its output",
         "Pixels outside this range can never be reconstructed. Which values can the decoder's last layer output?"),
        ("channel", "a colour channel that never varies",
         "One colour channel never changes. Which layer produces it, and is it cut off there?"),
        ("same_image", "reconstructions all alike",
         "The code has no effect on the image in eval mode. What does decode do with it?"),
        ("other_loss", "a loss that is not the model's",
         "The loss in training does not match the model in eval mode. Whose nll does forward return, and at which "
         "code? Or does a layer behave differently in eval mode (batch norm, dropout)?"),
        ("same_code", "one code for all images", "The code does not depend on the image. Does encode use the image?"),
        ("collapse", "posterior equals the prior",
         "The KL term went to 0: the code says nothing about the image. Is kl weighted too heavily compared with "
         "nll, or is nll computed from other images or other codes?"),
        ("few_dimensions", "one or two dimensions used",
         "Only one or two dimensions carry information. Does the encoder see the whole image, and does each head "
         "have z_dim outputs?"),
        ("no_learning", "loss does not fall",
         "The model has not learned from the images. Do gradients reach every part?"),
        ("diverged", "loss not finite",
         "The loss became nan or infinite. Look for log or sqrt of 0, exp of a large number, or a division by zero."),
        ("frozen", "parts that never change",
         "Some parameters never changed. A layer does not learn if it is not used, cut off from the graph (detach, "
         "no_grad), frozen, or full of zeros at the start. Which of these is it?"),
        ("no_kl", "trained without the KL term",
         "The posteriors are far too narrow. Is the KL term part of what forward returns?"),
    ],
}
# fmt: on

CRASHED_IF_STRIDED = (
    "The result for contiguous tensors is right; these are non-contiguous, like a transposed tensor. Is view() used "
    "where reshape() is needed?"
)
ROUNDED_IN_FLOAT32 = (
    "The result in float64 is right, and this one is off by {:.1g} of its size, thousands of times the rounding of "
    "float32. Which step computes in 16 bits: half(), bfloat16() or autocast?"
)
NOT_FINITE_IN = {
    "right_only_in_float64": "The result in float64 is right; in float32 it is not finite. Which exp, product or power "
    "leaves the range of float32?",
    "right_only_few_dimensions": "The result for few dimensions is right; this one is not finite. A product over all "
    "dimensions, as prod() or a determinant computes it, leaves the range of its type.",
}
"""Hints for results that are nan or infinite, by the id of the kind of inputs that is tested."""

NUMBERS = frozenset(f"numbers_{name}" for name, *_ in BEHAVIOURS["numbers"])
"""Ids of what wrong numbers have in common. Where another id names the mistake, they say nothing more."""
