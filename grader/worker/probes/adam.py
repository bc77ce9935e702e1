"""Adam (Kingma and Ba 2015, algorithm 1), with torch's defaults.

torch.optim.Adam does the same, but the first optimizer of a process imports torch._dynamo: 1.0 to 1.7 s of CPU time in
every training worker, a third of what the training itself takes. A test holds the two to the same losses.
"""

import torch
from torch import Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Keeps the moments of each parameter that a gradient has reached.

    Args:
        parameters: What to train.
        lr: Learning rate.
    """

    def __init__(self, parameters: list[Tensor], lr: float):
        self._parameters = [p for p in parameters if p.requires_grad]
        self._lr = lr
        self._moments: dict[int, tuple[Tensor, Tensor]] = {}
        self._steps = [0] * len(self._parameters)

    def step(self, loss: Tensor) -> None:
        """Pull the loss back and move every parameter that it reaches."""
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()
        with torch.no_grad():
            for i, parameter in enumerate(self._parameters):
                if parameter.grad is None:
                    continue
                self._steps[i] += 1
                if i not in self._moments:
                    self._moments[i] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                first, second = self._moments[i]
                first.lerp_(parameter.grad, 1 - BETA_1)
                second.mul_(BETA_2).addcmul_(parameter.grad, parameter.grad, value=1 - BETA_2)
                scale = (second / (1 - BETA_2 ** self._steps[i])).sqrt_().add_(EPSILON)
                parameter.addcdiv_(first, scale, value=-self._lr / (1 - BETA_1 ** self._steps[i]))
