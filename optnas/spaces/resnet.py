"""Search space of residual networks (He et al. 2016, arXiv 1512.03385; Xie et al. 2017, arXiv 1611.05431)."""

from __future__ import annotations

from optnas.ops.blocks import basic_block, bottleneck, conv_norm
from optnas.ops.containers import seq
from optnas.ops.linear import head
from optnas.space import Node, choose, shared, stage

__all__ = ["resnet"]


def resnet(width: int = 16, stages: int = 3, blocks: int = 4) -> Node:
    """Return the search space of residual networks: depth and width of each stage, kind of each block.

    Args:
        width: Channels of the first stage, the middle one of three choices; each further stage has
            about twice as many. Divisible by 8.
        stages: Number of stages; all but the first halve the image.
        blocks: Largest number of blocks of a stage.

    >>> from optnas import spaces
    >>> list(spaces.resnet(stages=1, blocks=1).distributions())
    ['stage0.block0.kind', 'stage0.width', 'stage0.block0.kernel', 'stage0.block0.groups']
    """
    parts = [conv_norm(width)]
    for index in range(stages):
        base = width * 2**index
        wide = shared(choose(base // 2, base, base + base // 2, name=f"stage{index}.width"))
        kernel = choose(3, 5, name="kernel")
        block = choose(
            basic_block(wide, kernel=kernel),
            bottleneck(wide, kernel=kernel, reduction=2, groups=choose(1, 2, 4, name="groups")),
            name="kind",
        )
        stride = 1 if index == 0 else 2
        parts.append(stage(block, 1, blocks, stride=stride, name=f"stage{index}.block"))
    return seq(*parts, head())
