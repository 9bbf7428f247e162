"""Series of several sensors: convolutions and GRUs that tell what happened to a machine.

    optnas run studies/series.py --trials 40

This takes under a minute on two CPU cores; expect a front from 8,000 FLOPs at 60 % validation accuracy
over 26,000 at 96 % to a million at 99 %. A sample is 64 readings of a temperature (about 20 °C), a
pressure (about 101,325 Pa) and a vibration (about 0.001 mm). Temperature and pressure rise for a while,
one after the other; the class is which of them is first, and with which of the two the vibration rises.
Each feature is brought to mean 0 and deviation 1, so units do not matter. For series of your own write
``data.tensors(x, y, layout=…)``: ``"channels_first"`` for arrays (samples, features, length), as here,
or ``"channels_last"`` for (samples, length, features).
"""

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks


def readings(samples=1_200, length=64):
    """Return series, shape (samples, 3, length), and the class of each, 0 to 3."""
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=samples)
    first = rng.uniform(4, length / 2, samples)
    starts = np.stack([first, first + rng.uniform(4, length / 3, samples)])
    early, late = starts[y % 2, range(samples)], starts[1 - y % 2, range(samples)]
    shaken = starts[y // 2, range(samples)]
    starts = np.stack([early, late, shaken], axis=1)[:, :, None]
    time = np.arange(length)
    x = ((time > starts) & (time < starts + 12)) + rng.normal(0, 0.6, (samples, 3, length))
    return x * [[1], [2_000], [0.0002]] + [[20], [101_325], [0.001]], y


width = choose(8, 16, 32, 64, name="width")
convolution = ops.conv1d(width, choose(3, 5, 9, name="kernel"), stride=choose(1, 2, name="stride"))
layer = choose(ops.seq(convolution, ops.relu()), ops.gru(width), name="op")

study = Study(
    name="series",
    space=ops.seq(repeat(layer, 1, 4, name="layer"), choose(ops.head(), ops.seq(ops.last(), ops.head()))),
    task=tasks.classification(data.tensors(*readings(), layout="channels_first", name="readings")),
    objectives=[maximize("accuracy"), minimize("flops")],
    training=Training(epochs=9, batch_size=32, lr=real(1e-3, 3e-2, log=True)),
)
