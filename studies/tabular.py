"""Perceptrons for tables: breast cancer (a class) and diabetes (a value), two studies in one file.

optnas run studies/tabular.py:breast_cancer --trials 40
optnas run studies/tabular.py:diabetes --trials 40
"""

from optnas import Study, Training, choose, data, maximize, minimize, real, spaces, tasks

training = Training(
    epochs=27,
    batch_size=choose(16, 32, 64),
    optimizer="adamw",
    lr=real(1e-3, 3e-2, log=True),
    weight_decay=real(1e-4, 1e-1, log=True),
)

breast_cancer = Study(
    name="breast_cancer",
    space=spaces.mlp(most=3, widths=(4, 8, 16, 32, 64)),
    task=tasks.classification(data.sklearn("breast_cancer")),
    objectives=[maximize("f1"), minimize("flops")],
    training=training,
)

diabetes = Study(
    name="diabetes",
    space=spaces.mlp(most=3, widths=(4, 8, 16, 32, 64)),
    task=tasks.regression(data.sklearn("diabetes"), metrics=["r2"]),
    objectives=[minimize("rmse"), minimize("flops")],
    training=training,
)
