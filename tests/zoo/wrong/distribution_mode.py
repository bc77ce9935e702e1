"""Wrong answers to `mode`."""

from tests.zoo.entry import Wrong


def _answer(name: str, answer: str, diagnosis: str = "") -> Wrong:
    return Wrong("mode", name, f"return {answer}", diagnosis=diagnosis)


WRONG = (
    _answer("std", "self.std", "mode_std"),
    _answer("variance", "self.var", "mode_var"),
    _answer("log-variance", "self.logvar", "mode_logvar"),
    _answer("right for mean zero only", "torch.zeros_like(self.mean)", "mode_zero"),
    _answer("density", "1.0 / (self.std * math.sqrt(2.0 * math.pi))", "mode_density"),
    _answer("mean plus std", "self.mean + self.std", "mode_plus_std"),
    _answer("a draw", "self.sample()", "mode_sample"),
    _answer("clamped to pixels", "self.mean.clamp(-1.0, 1.0)"),
    _answer("one for the batch", "self.mean.mean(dim=0, keepdim=True).expand_as(self.mean)"),
    _answer("squeezed", "self.mean.squeeze()"),
    _answer("always float32", "self.mean.float()"),
    _answer("bfloat16 inside", "self.mean.bfloat16().to(self.mean.dtype)"),
    _answer("detached", "self.mean.detach()", "gradient_cut"),
    _answer("mean changed in place", "self.mean.mul_(1.0 + 1e-9)", "in_place_change"),
    _answer("the largest value", "self.mean.amax(dim=1)"),
    Wrong("mode", "a method of another name", swaps=(("    def mode(self)", "    def maximum(self)"),)),
    Wrong(
        "mode",
        "a property",
        swaps=(("# ## Task `mode`\n    def mode", "# ## Task `mode`\n    @property\n    def mode"),),
    ),
)
