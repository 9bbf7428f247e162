"""Networks over several scales of an image: U-Net and feature pyramids."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.cost import Cost
from optnas.cost.paths import Paths, Place
from optnas.ops.containers import seq
from optnas.ops.conv import conv
from optnas.ops.define import op
from optnas.ops.linear import identity
from optnas.ops.pool import maxpool
from optnas.ops.several import fork, update
from optnas.ops.several import input as taken
from optnas.ops.shapes import numel, positive, spatial
from optnas.space import Node, Shape

__all__ = ["fpn", "unet"]

_MERGES = ("concat", "add", "none")
_LINEAR = {2: "bilinear", 3: "trilinear"}
_HALVE = maxpool(2)


class Resized(nn.Module):
    """Resize to the size of another image."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        sizes = x.shape[2:]
        return below if below.shape[2:] == sizes else functional.interpolate(below, sizes, mode=self.mode)

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}"


class Joined(nn.Module):
    """Resize the second branch to the size of the first, then concatenate, add, or leave the first out."""

    def __init__(self, shapes: tuple[Shape, ...], merge: str = "concat", kind: str = "nearest") -> None:
        super().__init__()
        (channels, *sizes), (below, *_) = shapes
        self.merge = merge
        self.resized = Resized("nearest" if kind == "nearest" else _LINEAR[len(sizes)])
        make = nn.Conv2d if len(sizes) == 2 else nn.Conv3d
        self.projection = make(below, channels, 1, bias=False) if _projects(shapes, merge) else None

    def forward(self, x: Tensor, below: Tensor) -> Tensor:
        if self.projection is not None:
            below = self.projection(below)
        below = self.resized(below, x)
        if self.merge == "add":
            return x + below
        return below if self.merge == "none" else torch.cat((x, below), 1)

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}"


def _projects(shapes: tuple[Shape, ...], merge: str) -> bool:
    """Return whether a 1×1 convolution has to make the channels of two branches equal."""
    return merge == "add" and shapes[0][0] != shapes[1][0]


def _joined_cost(shapes: tuple[Shape, ...], merge: str = "concat", kind: str = "nearest") -> Cost:
    if merge not in _MERGES:
        raise ValueError(f"merge={merge!r}: skips are merged by 'concat', 'add' or 'none'")
    if kind not in ("nearest", "bilinear"):
        raise ValueError(f"kind={kind!r}: upsampling is 'nearest' or 'bilinear'")
    # Only what comes from below is projected.
    skip: dict[Place, int] = {} if merge == "none" else {("0",): 0}
    paths: Paths = {(): {**skip, ("1",): int(_projects(shapes, merge))}}
    (channels, sizes), (below, smaller) = map(spatial, shapes)
    if len(sizes) != len(smaller):
        raise ValueError(f"its branches end in {shapes[0]} and {shapes[1]}, which are not of one kind")
    cost = Cost((below, *smaller))
    if _projects(shapes, merge):
        weights = below * channels
        cost = cost.then(
            Cost(
                (channels, *smaller),
                flops=2 * weights * math.prod(smaller),
                params=weights,
                activations=channels * math.prod(smaller),
                depth=1,
            )
        )
        below = channels
    if sizes != smaller:
        total = below * math.prod(sizes)
        functions = 0 if kind == "nearest" else 2 * 2 ** len(sizes) - 1
        cost = cost.then(Cost((below, *sizes), activations=total, elementwise=functions * total))
    if merge == "none":
        cost = cost.then(Cost((below, *sizes)))
    else:
        out = (channels + below, *sizes) if merge == "concat" else (channels, *sizes)
        cost = cost.then(Cost(out, activations=numel(out), elementwise=numel(out) if merge == "add" else 0))
    return dataclasses.replace(cost, paths=paths)


_joined = op(Joined, name="joined_scales", cost=_joined_cost)
_joined.internal = True


@op
def unet(
    block: Node,
    depth: int = 3,
    merge: str | tuple[str, ...] = "concat",
    growth: int = 2,
    down: Node = _HALVE,
    kind: str = "nearest",
) -> Node:
    """Apply a block on the way down through smaller images, and on the way up again, with skips (U-Net).

    Ronneberger et al. 2015. The result has the size of the input, also where that is odd: what comes from
    below is resized to what the skip has. ``seq(unet(seq(conv(16), norm(), relu())), conv(classes, 1))``
    segments.

    Args:
        block: What is applied at every level, down and up; with the widths of the first level.
        depth: How often the image is made smaller.
        merge: How skips are merged with what comes from below: ``"concat"``, ``"add"``, or ``"none"`` for no
            skip; or one for each level, the first level first. It can be a choice. Where ``"add"`` meets
            different channels, a 1×1 convolution makes them equal.
        growth: Factor by which each level multiplies the widths of the block.
        down: What makes the image smaller.
        kind: ``"nearest"`` or ``"bilinear"`` upsampling.
    """
    positive(depth=depth, growth=growth)
    merges = merge if isinstance(merge, tuple) else (merge,) * depth
    if len(merges) != depth:
        raise ValueError(f"merge={merge!r} needs one merge for each of the {depth} levels")
    network: Node = _widened(block, growth**depth)
    for level in reversed(range(depth)):
        here = _widened(block, growth**level)
        joined = _joined(identity(), seq(down, network), merge=merges[level], kind=kind)
        network = seq(here, joined, here)
    return network


def _widened(value: Any, factor: int) -> Any:
    """Return a tree with every ``width`` in it multiplied."""
    if not isinstance(value, Node):
        return value
    args = tuple(
        (name, each * factor if name == "width" and isinstance(each, int) else _widened(each, factor))
        for name, each in value.args
    )
    return Node(value.op, args, tuple(_widened(child, factor) for child in value.children), value.name)


@op
def fpn(*stages: Node, width: int = 64, kind: str = "nearest") -> Node:
    """Return the features of several scales by name, ``p0`` the largest, in a feature pyramid.

    Lin et al. 2017 (arXiv 1612.03144): each stage is applied to the output of the one before it; its output
    goes through a 1×1 convolution, what comes from the smaller scale is resized and added, and a 3×3
    convolution follows. Heads take scales by ``input('p0')``.

    Args:
        stages: The stages of the backbone, which make the image smaller and smaller.
        width: Channels of every scale.
        kind: ``"nearest"`` or ``"bilinear"`` upsampling.

    >>> from optnas import ops
    >>> ops.fpn(ops.conv(8), ops.conv(16, stride=2), width=4).cost((1, 9, 9)).shape
    p0 4×9×9, p1 4×5×5
    """
    if not stages:
        raise ValueError("it needs at least one stage: fpn(conv(16), conv(32, stride=2))")
    names = [f"p{level}" for level in range(len(stages))]
    parts = [fork(p0=stages[0])]
    for before, name, stage in zip(names, names[1:], stages[1:], strict=False):
        parts.append(_with(name, taken(before), stage))
    lateral = conv(width, kernel=1, bias=True)
    parts.append(_with(names[-1], taken(names[-1]), lateral))
    for smaller, name in itertools.pairwise(reversed(names)):
        skip = seq(taken(name), lateral)
        parts.append(_with(name, _joined(skip, taken(smaller), merge="add", kind=kind)))
    smooth = conv(width, bias=True)
    scales: dict[str, Any] = {name: seq(taken(name), smooth) for name in names}
    return seq(*parts, fork(**scales))


def _with(name: str, *chain: Node) -> Node:
    """Return the op that replaces or adds what is called ``name``."""
    branch: dict[str, Any] = {name: seq(*chain)}
    return update(**branch)
