"""Generation: diffusion models that take the noise out of handwritten digits.

    optnas run studies/diffusion.py --trials 20

This takes a minute and a half on two CPU cores; expect a front from 34,000 FLOPs a step at a Fréchet
distance of 0.8 to 200,000 at 0.4, about that of other real digits (0.45). Beside it is printed what a
Gaussian fitted to the pixels has, 2.5. After ``optnas train``, ``optnas.load(folder).predict(9)`` makes nine
digits, of shape (9, 1, 8, 8) and in the unit of the data, and ``predict(9, seed=1)`` others.
"""

from optnas import Study, Training, choose, data, minimize, ops, real, repeat, shared, tasks

features = shared(choose(64, 96, 128, name="features"))
width = choose(64, 128, 256, name="width")
activation = choose(ops.relu(), ops.silu(), ops.mish(), name="activation")
level = ops.seq(ops.input("t"), ops.embedding(choose(8, 16, 32, name="level")))
block = ops.residual(ops.layernorm(), ops.linear(width), activation, ops.linear(features))

study = Study(
    name="diffusion",
    space=ops.seq(
        ops.concat(ops.seq(ops.input("x"), ops.flatten()), level),
        ops.linear(features),
        repeat(block, 1, 3, name="block"),
        ops.head(),
    ),
    task=tasks.diffusion(data.digits()),
    objectives=[minimize("frechet"), minimize("flops")],
    training=Training(epochs=54, batch_size=128, lr=real(1e-3, 1e-2, log=True), schedule="cosine", ema=0.99),
)
