"""Detectors without anchors for shapes drawn on the spot: mean average precision against FLOPs.

    pip install '.[detection]' && optnas run studies/detection.py --trials 20

This takes a little over a minute on two CPU cores; expect a front from 0.1 million FLOPs at a mean average
precision of 0.13 over 0.29 at 0.55 to 1.2 at 0.58 (with other seeds that network had 0.45 to 0.59). A box
around each blob of unusual pixels has 0.07, as ``optnas run`` prints below the front. A picture is 48×48
pixels of noise on a slope of brightness with up to three shapes: discs (class 0), squares (1) and square
frames (2). Of what ``optnas train`` wrote, ``optnas.load("runs/detection-18").predict(pictures, score=0.3)``
has a table of the boxes of each picture.
"""

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks


def scenes(samples=900, side=48):
    """Return pictures, shape (samples, 1, side, side), and the boxes of each: disc 0, square 1, frame 2."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:side, :side] + 0.5
    pictures, boxes = rng.normal(0, 0.4, (samples, 1, side, side)), []
    for picture in pictures:
        picture += rng.uniform(-1, 1) * down / side + rng.uniform(-1, 1) * across / side
        taken, found = np.zeros((side, side), dtype=bool), []
        for _ in range(rng.integers(1, 4)):
            radius, kind = rng.uniform(4, 8), rng.integers(3)
            top, left = rng.uniform(radius, side - radius, 2)
            far = (np.hypot if kind == 0 else np.maximum)(abs(down - top), abs(across - left))
            if taken[far < radius + 1].any():
                continue
            taken |= far < radius
            picture[:, (far < radius) & ((kind < 2) | (far > radius - 2))] += 1.5
            found.append((kind, left - radius, top - radius, left + radius, top + radius))
        boxes.append(found)
    return pictures, data.padded_boxes(boxes)


width = choose(8, 16, 32, name="width")
kernel = choose(3, 5, name="kernel")
convolution = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op")
down = ops.seq(ops.conv(choose(4, 8, 16, name="stem"), 3, stride=2), ops.norm(), ops.relu(), ops.maxpool(2))

study = Study(
    name="detection",
    space=ops.seq(
        down,
        repeat(ops.seq(convolution, ops.norm(), ops.relu()), 1, 4, name="layer"),
        ops.conv(3 + 4, 1, bias=True),
    ),
    task=tasks.detection(
        data.tensors(*scenes(), layout="channels_first", targets="values", name="shapes"), most=20
    ),
    objectives=[maximize("map"), minimize("flops")],
    training=Training(epochs=15, batch_size=16, lr=real(3e-3, 3e-2, log=True)),
)
