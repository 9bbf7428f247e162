"""Networks of several seeds as one (deep ensemble; Lakshminarayanan et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """The mean of several networks: of their probabilities where they put out logits, else of their outputs.

    Of logits (samples, classes) it returns the logarithms of the mean probabilities, which are logits of
    these: ``softmax`` gives the mean back.

    Args:
        members: The networks, of equal outputs (samples, …).
        classes: Whether they put out logits.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, members: Sequence[nn.Module], *, classes: bool) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble has members")
        self.members = nn.ModuleList(members)
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        outputs = torch.stack([member(x).float() for member in self.members])
        if not self.classes:
            return outputs.mean(dim=0)
        return outputs.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(self.members))
