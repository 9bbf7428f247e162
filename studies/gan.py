"""Generation: generators of handwritten digits that learn against a critic (a GAN), by a step of their own.

    optnas run studies/gan.py --trials 20

This takes a minute and a half on two CPU cores; expect a front from 5,100 FLOPs at a Fréchet distance of
2.0 to 20,000 at 1.6. Beside it is printed what a Gaussian fitted to the pixels has, 2.5; other real digits
have 0.45. The task has the training step, with the critic and both optimisers
(``optnas/tasks/adversarial.py``). After ``optnas train``, ``optnas.load(folder).predict(9)`` makes nine
digits, of shape (9, 1, 8, 8) and in the unit of the data, and ``predict(9, seed=1)`` others.
"""

from optnas import Study, Training, choose, data, minimize, ops, real, repeat, tasks

width = choose(32, 64, 128, 256, name="width")
layer = ops.seq(
    ops.linear(width), ops.norm(), choose(ops.relu(), ops.mish(), ops.leaky_relu(), name="activation")
)

study = Study(
    name="gan",
    space=ops.seq(repeat(layer, 1, 3, name="layer"), ops.head()),
    task=tasks.adversarial(data.digits()),
    objectives=[minimize("frechet"), minimize("flops")],
    training=Training(epochs=81, batch_size=64, lr=real(3e-4, 1e-2, log=True), schedule="cosine"),
)
