"""Template of the study file that ``optnas init`` writes."""

from __future__ import annotations

__all__ = ["TEMPLATE"]

TEMPLATE = '''\
"""What this study looks for. Run it:  optnas run {file} --trials 40"""

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

# A choice left open. The same name in one layer is the same decision; each layer has its own.
width = choose(8, 16, 32, 64, name="width")
kernel = choose(3, 5, name="kernel")

# Options may be ops, with choices of their own: beta is only searched where swish is chosen.
activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")

# One layer: layer0.op, layer0.width, layer0.kernel and layer0.activation in the dashboard.
layer = ops.seq(
    choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op"),
    ops.norm(),
    activation,
)

study = Study(
    name="{name}",
    # One to four such layers, then a pooling and as many outputs as the data has classes.
    space=ops.seq(repeat(layer, 1, 4, name="layer"), ops.maxpool(2), ops.head()),
    # Your own data: data.tensors(x, y) with x of shape (samples, channels, height, width) and y the
    # class of each sample, counted from 0; data.csv and data.text. tasks.regression learns values.
    task=tasks.classification(data.digits()),
    # Any of accuracy, error, loss, seconds, flops, macs, params, activations, elementwise, depth, width,
    # and measured ones: latency_ms, latency_p95_ms, peak_memory, energy, size.
    objectives=[maximize("accuracy"), minimize("flops")],
    # What breaks a limit is not trained. A function of the candidate serves as well.
    constraints=["params <= 200_000"],
    # How each candidate is trained; choices here are searched along with the architecture.
    training=Training(
        epochs=9,
        batch_size=64,
        optimizer=choose("adam", "rmsprop", "sgd"),
        lr=real(1e-3, 1e-1, log=True),
    ),
    sampler="ehvi",  # or tpe, random, nsga2, gp, or any Optuna sampler
    pruner="none",  # or pareto-halving, pareto-improvement, or any other
)
'''
