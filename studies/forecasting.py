"""Forecasts of a water tank's level over twelve hours: mean absolute scaled error (MASE) against FLOPs.

    optnas run studies/forecasting.py --trials 20

This takes about a minute of one CPU core. Water flows in by the hour of the day; above a level a pump
starts, and stops at a lower one. So the level is no sum of what was before, and linear models are not
enough: on the validation part repeating the last level has a MASE of 0.82, repeating that of a day ago
1.05, ridge regression 0.36, which the run prints beside the front. Expect a front from 1,700 FLOPs at 0.28
over 2,000 at 0.23 to 25,000 at 0.20: all of it better than ridge regression. For a series of your own give
``data.windows`` an array (steps, features), and ``season`` the steps after which it repeats itself.
"""

import numpy as np

from optnas import Study, Training, choose, data, minimize, ops, real, repeat, tasks


def tank(hours=4_000):
    """Return the level of a tank and what flows in, shape (hours, 2)."""
    rng = np.random.default_rng(0)
    inflow = 0.1 * (1 + 0.7 * np.sin(np.arange(hours) * 2 * np.pi / 24)) * rng.lognormal(0, 0.2, hours)
    level, pumping, levels = 0.5, False, []
    for flow in inflow:
        pumping = level > 1 or (pumping and level > 0.2)
        level += flow - 0.35 * pumping
        levels.append(level)
    return np.stack([levels, inflow], axis=1)


width = choose(8, 16, 32, 64, name="width")
convolution = ops.conv1d(width, choose(3, 5, 9, name="kernel"), stride=choose(2, 4, name="stride"))
encoder = choose(
    ops.flatten(),
    ops.seq(convolution, ops.relu(), ops.flatten()),
    ops.seq(ops.gru(choose(8, 16, name="state")), ops.last()),
    name="encoder",
)
layer = ops.seq(ops.linear(width), choose(ops.relu(), ops.mish(), name="activation"))

study = Study(
    name="forecasting",
    space=ops.seq(encoder, repeat(layer, 1, 3, name="layer"), ops.head()),
    # Two days of both are the input, the next half day of the level is the target.
    task=tasks.forecasting(data.windows(tank(), 48, 12, target=0, stride=2, name="tank"), season=24),
    objectives=[minimize("mase"), minimize("flops")],
    training=Training(epochs=27, batch_size=32, lr=real(1e-3, 3e-2, log=True)),
)
