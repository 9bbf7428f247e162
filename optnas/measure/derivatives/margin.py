"""Leading term of the spectrally normalised margin bound of generalisation (Bartlett et al. 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from optnas.measure.derivatives.lipschitz import INPUT, Bounds

__all__ = ["margin", "margin_bound", "margins"]

# The share of the samples that are right which may have a smaller margin than γ.
_SHARE = 0.1


def margins(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return by how much the score of each target's class is above the largest other score.

    Args:
        outputs: Scores, shape (samples, classes).
        targets: Classes, shape (samples,).
    """
    own = outputs.gather(1, targets.long().unsqueeze(1)).squeeze(1)
    others = outputs.scatter(1, targets.long().unsqueeze(1), -math.inf)
    return own - others.amax(1)


def margin(found: Tensor) -> float:
    """Return the margin γ that nine tenths of the samples with the right answer exceed; 0 without any."""
    right = found[found > 0]
    return float(torch.quantile(right.double(), _SHARE)) if len(right) else 0.0


def margin_bound(network: nn.Module, x: Tensor, gamma: float, norm: float, samples: int) -> float:
    """Return ‖X‖·R / (γ·n), the leading term of theorem 1.1 without constants and logarithms.

    R = (Σᵢ (aᵢ·bᵢ·cᵢ)^⅔)^(3/2) over the layers with weights, with bᵢ = ‖Aᵢᵀ‖₂,₁, aᵢ the Lipschitz constant
    of what precedes the layer and cᵢ that of what follows it. In a chain aᵢ·cᵢ is the product of the other
    layers' spectral norms, and R that of the paper, with reference matrices of 0; where paths branch, a
    perturbation of a layer's output reaches the network's by all of them, as in He et al. 2020
    (arXiv 1904.01367).

    Args:
        network: The network, in float64 and in evaluation mode.
        x: One sample, whose shape counts.
        gamma: The margin γ.
        norm: The Frobenius norm of the inputs of all samples.
        samples: The number n of samples.
    """
    bounds = Bounds(by_layer=True)
    slopes = bounds.of(network, x)
    if gamma <= 0 or not math.isfinite(slopes.get(INPUT, 0.0)):
        return math.inf
    terms: list[float] = [
        (bounds.before[source] * _rows(layer, at) * slopes.get(source, 0.0)) ** (2 / 3)
        for source, (layer, at) in bounds.layers.items()
    ]
    total: float = norm * math.fsum(terms) ** 1.5 / (gamma * samples)
    return total


def _rows(layer: nn.Module, x: Tensor) -> float:
    """Return the sum of the norms of the rows of a linear layer's matrix, borders counted as inside."""
    with torch.no_grad():
        places = layer(x).numel()
    total, channels = 0.0, 0
    for name, weight in layer.named_parameters():
        if not name.endswith("weight"):
            continue
        module = layer.get_submodule(name.rpartition(".")[0])
        rows = _row_norms(module, weight.detach())
        total, channels = total + float(rows.sum()), channels + len(rows)
    return total * (places // channels) if channels else 0.0


def _row_norms(module: nn.Module, weight: Tensor) -> Tensor:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        assert module.running_var is not None
        scales: Tensor = weight.abs() / (module.running_var + module.eps).sqrt()
        return scales
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        grouped = weight.view(module.groups, -1, weight.shape[1], weight[0, 0].numel())
        return grouped.pow(2).sum((1, 3)).sqrt().flatten()
    norms: Tensor = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return norms
