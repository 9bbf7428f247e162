"""Activation functions, searched together with the network around them. Four studies.

    optnas run studies/activations.py --trials 40
    optnas run studies/activations.py:gradient --trials 20
    optnas run studies/activations.py:clothes --trials 40
    optnas run studies/activations.py:clothes_gradient --trials 20

Forty trials of the first take half a minute on one CPU core, the supernet of the second half a minute more.
The networks are narrow, deep, without norms and trained briefly: where activations make the largest
difference. All layers of one have the same formula.

``study`` searches formulas ``binary(unary(x), unary(x))`` on handwritten digits by evolution, which changes
functions and exchanges operands. Constants in them are learned in training, by each layer for itself.
``gradient`` first trains a network in which every activation is a mixture of all options, one of them
x·σ(β₁x + β₂) with learned constants, then the architectures that come of it; ``optnas status`` shows the
mixture as an architecture, which ``optnas train … --architecture`` trains. ``clothes`` and
``clothes_gradient`` do so on Fashion-MNIST, which is looked for in the folder that OPTNAS_DATA names, by
default ~/.cache/optnas, and downloaded (30 MB) where it is not there; 2,000 of its samples are used.

Look afterwards at a network of the front, its activations as they were learned beside relu, swish and mish:

    optnas pareto activations
    optnas show 17 --study activations
    optnas show 17 --study activations --activations found.svg
"""

import os

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, shared, tasks
from optnas.samplers import EvolutionSampler


def network(activation):
    """Return the space of narrow networks whose layers all have ``activation``."""
    width = shared(choose(8, 12, 16, name="width"))
    return ops.seq(
        ops.flatten(),
        repeat(ops.seq(ops.linear(width), activation), 3, 6, name="layer"),
        ops.head(),
    )


# A formula, or relu, which costs one operation.
formulas = network(shared(choose(ops.core_unit(learnable=True), ops.relu(), name="activation")))
mixtures = network(
    shared(choose(ops.relu(), ops.tanh(), ops.mish(), ops.shifted_swish(learnable=True), name="activation"))
)
# The operations of activations count as those of layers: a formula has to be worth them.
objectives = [maximize("accuracy", above=0.5), minimize("flops + elementwise", name="operations")]
digits = tasks.classification(data.digits())
fashion = tasks.classification(
    data.torchvision(
        "FashionMNIST",
        root=os.environ.get("OPTNAS_DATA", "~/.cache/optnas"),
        download=True,
        samples=2_000,
    )
)
training = Training(epochs=8, batch_size=64, lr=real(3e-3, 3e-2, log=True))

study = Study(
    name="activations",
    space=formulas,
    task=digits,
    objectives=objectives,
    training=training,
    sampler=EvolutionSampler(population=12),
    pruner="none",
)

gradient = Study(
    name="activations-gradient",
    space=mixtures,
    task=digits,
    objectives=objectives,
    training=Training(epochs=4, batch_size=64, lr=1e-2),
    sampler="darts",
    pruner="none",
)

clothes = Study(
    name="activations-clothes",
    space=formulas,
    task=fashion,
    objectives=objectives,
    training=training,
    sampler=EvolutionSampler(population=12),
    pruner="none",
)

clothes_gradient = Study(
    name="activations-clothes-gradient",
    space=mixtures,
    task=fashion,
    objectives=objectives,
    training=Training(epochs=2, batch_size=64, lr=1e-2),
    sampler="darts",
    pruner="none",
)
