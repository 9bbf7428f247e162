"""Autoencoders that find what is wrong with a machine, learned from readings of healthy ones alone.

    optnas run studies/anomalies.py --trials 20

This takes about half a minute on two CPU cores; expect a front from 2,100 FLOPs at an AUROC of 0.63 over
2,300 at 0.92 to 4,600 at 0.96. A PCA that keeps 95 % of the variance has 0.66, the distance from the mean
0.49, as ``optnas run`` prints below the front. A sample is 64 readings of a vibration: a tone of any phase
and speed, and its octave. In one of ten the octave is out of step, and in one of ten the sensor is
stuck for a while. Of what ``optnas train`` wrote, ``optnas.load("runs/anomalies-5").predict(x)`` has the
scores of new readings, and which of them are above what healthy ones have.
"""

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, tasks


def vibrations(samples=3_000, length=64):
    """Return readings, shape (samples, length), and 1 for each anomaly, 0 for each normal sample."""
    rng = np.random.default_rng(0)
    phase, loud = rng.uniform(0, 2 * np.pi, samples), rng.uniform(0.8, 1.2, samples)
    speed = rng.uniform(0.8, 1.2, samples)
    wrong = rng.random(samples) < 0.2
    loose = wrong & (rng.random(samples) < 0.5)  # the octave out of step
    lag = np.where(loose, rng.uniform(0.5, 2 * np.pi - 0.5, samples), 0)
    angle = phase[:, None] + speed[:, None] * np.linspace(0, 4 * np.pi, length)
    x = loud[:, None] * (np.sin(angle) + 0.6 * np.sin(2 * angle + lag[:, None]))
    start = rng.integers(length - 8, size=samples)[:, None]
    stuck = (wrong & ~loose)[:, None] & (np.arange(length) >= start) & (np.arange(length) < start + 8)
    x = np.where(stuck, np.take_along_axis(x, start, axis=1), x)  # the sensor, for a while
    return x + rng.normal(0, 0.2, x.shape), wrong.astype(int)


width = choose(8, 16, 32, 64, 128, name="width")
activation = choose(ops.relu(), ops.swish(), ops.tanh(), name="activation")
layer = ops.seq(ops.linear(width), activation)
code = ops.linear(choose(1, 2, 3, 4, 8, name="code"))

study = Study(
    name="anomalies",
    space=ops.seq(layer, code, layer, ops.head()),
    task=tasks.anomaly_detection(data.tensors(*vibrations(), name="vibrations")),
    objectives=[maximize("auroc"), minimize("flops")],
    training=Training(epochs=27, batch_size=32, lr=real(1e-3, 1e-2, log=True)),
)
