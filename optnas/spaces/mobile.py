"""Search space of mobile networks: stages of inverted residuals, as in MobileNetV3 and EfficientNet.

Howard et al. 2019 (arXiv 1905.02244), Tan & Le 2019 (arXiv 1905.11946).
"""

from __future__ import annotations

from optnas.ops.activations import hardswish, relu6, silu
from optnas.ops.blocks import conv_norm, inverted_residual
from optnas.ops.containers import seq
from optnas.ops.linear import head
from optnas.ops.norm import dropout
from optnas.space import Node, choose, shared, stage

__all__ = ["STAGES", "mobile"]

STAGES = ((16, 2, 1), (24, 3, 2), (40, 3, 2), (80, 4, 2), (112, 4, 1), (192, 5, 2), (320, 2, 1))
"""Stages of EfficientNet-B0: channels, largest number of blocks (one more than B0 has), and stride."""


def mobile(stages: tuple[tuple[int, int, int], ...] = STAGES, stem_stride: int = 2) -> Node:
    """Return the search space of mobile networks.

    The parameters are the width and depth of each stage, the kernel, expansion and
    squeeze-and-excitation of each block, and the activation of the whole network.

    Args:
        stages: For each stage, the middle one of three widths, the largest number of blocks, the stride.
        stem_stride: Stride of the first convolution; 1 for small images.

    >>> from optnas import spaces
    >>> space = spaces.mobile(((16, 2, 1),))
    >>> list(space.distributions())[:5]
    ['activation', 'stage0.blocks', 'stage0.width', 'stage0.block0.expansion', 'stage0.block0.kernel']
    """
    activation = shared(choose(relu6(), hardswish(), silu(), name="activation"))
    parts = [conv_norm(_divisible(stages[0][0] * 2), stride=stem_stride, activation=activation)]
    for index, (width, most, stride) in enumerate(stages):
        widths = sorted({_divisible(width * factor) for factor in (0.75, 1.0, 1.25)})
        block = inverted_residual(
            shared(choose(*widths, name=f"stage{index}.width")),
            expansion=choose(1, 3, 6, name="expansion"),
            kernel=choose(3, 5, 7, name="kernel"),
            squeeze=choose(0.0, 0.25, name="squeeze"),
            activation=activation,
        )
        parts.append(stage(block, 1, most, stride=stride, name=f"stage{index}.block"))
    last = conv_norm(_divisible(stages[-1][0] * 4), kernel=1, activation=activation)
    return seq(*parts, last, dropout(0.2), head())


def _divisible(width: float) -> int:
    """Return the multiple of 8 nearest to ``width``, at least 8; hardware is faster with such widths."""
    return max(8, int(width + 4) // 8 * 8)
