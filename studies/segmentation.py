"""U-Nets with searched skips for noisy pictures: a class for each pixel, mean IoU against FLOPs.

    optnas run studies/segmentation.py --trials 20

This takes about a minute and a half on two CPU cores; expect a front from 0.4 million FLOPs at a mean IoU of
0.58 over 1.2 at 0.65 to 1.5 at 0.70, of U-Nets as deep as may be. A logistic regression on each pixel alone
has 0.36, background everywhere 0.29, as ``optnas run`` prints below the front. A picture is 32×32 pixels of
noise on a slope of brightness, with one to three discs (class 1) and squares (class 2). What makes a network
is how often it halves the picture, and how what comes from below is joined with the skip at each level.
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


width = choose(4, 8, name="width")
convolution = choose(ops.conv(width), ops.sepconv(width), name="op")
block = ops.seq(convolution, ops.norm(), choose(ops.relu(), ops.swish(), name="activation"))
skips = tuple(choose("concat", "add", "none", name=f"skip{level}") for level in range(3))
nets = [ops.unet(block, depth, skips[:depth], growth=choose(1, 2, name="growth")) for depth in (1, 2, 3)]

study = Study(
    name="segmentation",
    space=ops.seq(choose(*nets, name="depth"), ops.conv(3, 1, bias=True)),
    task=tasks.segmentation(data.tensors(*scenes(), layout="channels_first", name="scenes")),
    objectives=[maximize("miou"), minimize("flops")],
    training=Training(epochs=15, batch_size=16, lr=real(3e-3, 3e-2, log=True)),
)
