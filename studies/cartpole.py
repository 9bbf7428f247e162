"""Policies that hold a pole upright on a cart (gymnasium's CartPole): mean return against FLOPs.

    pip install '.[reinforcement]'
    optnas run studies/cartpole.py --trials 20

This takes two minutes of one CPU core. A network sees where cart and pole are and how they move, and pushes
to the left or to the right; a step that the pole stands is worth 1, and 500 is the end. It learns by PPO from
what it meets (37,000 steps), and is measured by 20 episodes. Random pushes last 24 steps, pushes towards the
side that the pole leans to 40, which the run prints beside the front. Expect a front of one or two networks:
a layer of two units, 28 FLOPs, has 499 of 500, as a line through the four numbers is enough. For an
environment of your own give its name in gymnasium, or a function that makes it.
"""

from optnas import Study, Training, choose, maximize, minimize, ops, real, repeat, tasks


def leaning(seen):
    """Push towards the side that the pole leans to; ``seen`` is (carts, 4), the third its angle."""
    return (seen[:, 2] > 0).astype(int)


width = choose(2, 4, 8, 16, 32, name="width")
layer = ops.seq(ops.linear(width), choose(ops.tanh(), ops.relu(), name="activation"))

study = Study(
    name="cartpole",
    space=ops.seq(repeat(layer, 1, 2, name="layer"), ops.fork(policy=ops.head(), value=ops.head(1))),
    task=tasks.reinforcement("CartPole-v1", best=500, policies={"push where it leans": leaning}),
    objectives=[maximize("mean_return"), minimize("flops")],
    training=Training(epochs=9, batch_size=128, lr=real(1e-3, 2e-2, log=True), hopeless_after=0),
)
