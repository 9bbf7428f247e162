"""Small CNNs for 8×8 handwritten digits: accuracy against FLOPs.

Forty trials take about a minute on two CPU cores; expect a front from some thousand FLOPs at 80 %
to a million at 99 % validation accuracy.
"""

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

width = choose(8, 16, 32, 64, name="width")
kernel = choose(3, 5, name="kernel")
activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
block = ops.seq(
    choose(
        ops.conv(width=width, kernel=kernel),
        ops.sepconv(width=width, kernel=kernel),
        ops.identity(),
        name="op",
    ),
    ops.norm(),
    activation,
)

study = Study(
    name="digits",
    space=ops.seq(repeat(block, 1, 4, name="layer"), ops.maxpool(2), ops.head()),
    task=tasks.classification(data.digits()),
    objectives=[maximize("accuracy"), minimize("flops")],
    constraints=["params <= 200_000"],
    training=Training(
        epochs=9,
        batch_size=64,
        optimizer=choose("adam", "rmsprop", "sgd"),
        lr=real(1e-3, 1e-1, log=True),
    ),
    sampler="ehvi",
    pruner="none",
)
