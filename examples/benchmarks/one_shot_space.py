"""A space that is small enough to be trained out: cells of four states, six edges and three ops, on digits.

As NAS-Bench-201, with a cell in each of two stages; its 729 cells and their accuracies are in
one_shot_truth.csv.
"""

from __future__ import annotations

from optnas import Node, Study, Training, choose, data, maximize, minimize, ops, tasks

__all__ = ["EDGES", "EPOCHS", "OPS", "space", "study"]

OPS = {"none": ops.none(), "skip": ops.skip(), "conv": ops.relu_conv_bn(3)}
EDGES = [f"edge{source}to{state}" for state in (1, 2, 3) for source in range(state)]
EPOCHS = 6


def space(width: int = 4) -> Node:
    """Return the search space; the second stage has twice the channels on half the side."""
    edges = [
        [choose(*OPS.values(), name=f"edge{source}to{state}") for source in range(state)]
        for state in (1, 2, 3)
    ]
    cell = ops.cell(*(ops.node(*each) for each in edges))
    shrink = ops.relu_conv_bn(3, width=2 * width, stride=2)
    return ops.seq(ops.conv(width), ops.norm(), cell, shrink, cell, ops.norm(), ops.relu(), ops.head())


study = Study(
    name="trained-out",
    space=space(),
    # More samples than usual to validate on, so that accuracies of cells that are alike can be told apart.
    task=tasks.classification(data.digits(validation=0.45, test=0.05)),
    objectives=[maximize("accuracy"), minimize("flops")],
    # Few channels and samples that are turned and partly hidden, so that even the best cells differ.
    training=Training(epochs=EPOCHS, batch_size=64, lr=1e-2, rotate=20.0, cutout=3),
)
