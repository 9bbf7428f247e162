"""The studies that are stored here."""

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

layer = ops.seq(ops.linear(choose(4, 8, 16, name="width")), choose(ops.relu(), ops.tanh(), name="activation"))


def study(name: str, sampler: str, pruner: str, artifacts: str | None = None) -> Study:
    return Study(
        name=name,
        space=ops.seq(repeat(layer, 1, 3, name="layer"), ops.head()),
        task=tasks.classification(data.sklearn("wine")),
        objectives=[maximize("accuracy"), minimize("flops")],
        training=Training(
            epochs=4,
            rungs=(1, 2),
            optimizer=choose("adam", "sgd"),
            lr=real(1e-3, 1e-1, log=True),
            hopeless_after=0,
            device="cpu",
            precision="float32",
        ),
        sampler=sampler,
        pruner=pruner,
        artifacts=artifacts,
    )


ehvi = study("ehvi", "ehvi", "none")
cmaes = study("cmaes", "cmaes", "pareto-halving")
evolution = study("evolution", "evolution", "pareto-halving")
promotion = study("promotion", "evolution", "pareto-promotion")
journal = study("journal", "evolution", "pareto-promotion")

STUDIES = {each.name: each for each in (ehvi, cmaes, evolution, promotion, journal)}
