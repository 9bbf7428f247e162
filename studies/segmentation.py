"""Encoder-decoders with searched skips for noisy pictures: a class for each pixel, mIoU against FLOPs.

    optnas run studies/segmentation.py --trials 20

This takes about a minute and a half on two CPU cores; expect a front from 0.16 million FLOPs at a mean IoU of
0.41 over 0.8 at 0.50 to 3.7 at 0.61. A logistic regression on each pixel alone has 0.36, background
everywhere 0.29, as ``optnas run`` prints below the front. A picture is 32×32 pixels of noise on a slope of
brightness, with one to three discs (class 1) and squares (class 2). A network has up to three resolutions;
each level chooses its convolutions and whether it has a skip beside what is below, or nothing below.
"""

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, tasks


def scenes(samples=900, side=32):
    """Return pictures, shape (samples, 1, side, side), and the class of each pixel: 0, disc 1, square 2."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:side, :side]
    x = rng.normal(0, 0.5, (samples, side, side))
    y = np.zeros((samples, side, side), dtype=int)
    for picture, mask in zip(x, y, strict=True):
        picture += rng.uniform(-1, 1) * down / side + rng.uniform(-1, 1) * across / side
        for _ in range(rng.integers(1, 4)):
            (top, left), radius = rng.uniform(5, side - 5, 2), rng.uniform(3, 6)
            kind = rng.integers(1, 3)
            far = np.hypot if kind == 1 else np.maximum
            inside = far(abs(down - top), abs(across - left)) < radius
            picture[inside] += 1
            mask[inside] = kind
    return x[:, None], y


def block(widths):
    width = choose(*widths, name="width")
    return ops.seq(choose(ops.conv(width), ops.sepconv(width), name="op"), ops.norm(), ops.relu())


def level(name, widths, inner):
    """Return two blocks and between them ``inner`` at half the resolution, beside a skip or without one."""
    below = ops.seq(ops.maxpool(2), inner, ops.upsample(2))
    skip = ops.branch(ops.identity(), below, merge="concat")
    return ops.seq(block(widths), choose(skip, below, ops.identity(), name="skip"), block(widths), name=name)


study = Study(
    name="segmentation",
    space=ops.seq(
        level("full", (4, 8), level("half", (8, 16), level("quarter", (16, 32), ops.identity()))),
        ops.conv(3, 1, bias=True),
    ),
    task=tasks.segmentation(data.tensors(*scenes(), layout="channels_first", name="scenes")),
    objectives=[maximize("miou"), minimize("flops")],
    training=Training(epochs=15, batch_size=16, lr=real(1e-3, 3e-2, log=True)),
)
