"""Perceptrons for tables: breast cancer (a class) and diabetes (a value), two studies in one file.

    optnas run studies/tabular.py:breast_cancer --trials 40
    optnas run studies/tabular.py:diabetes --trials 40

Either takes about half a minute on two CPU cores. Expect small networks to be enough. Of breast cancer
a layer of 4 (256 FLOPs) reaches an F1 score of 0.95 on the validation part, one of 43,000 FLOPs 0.97:
two of 114 samples more; logistic regression reaches 0.94. Of diabetes a layer of 4 (88 FLOPs) has the
smallest error, an RMSE of 58 and an R² of 0.45, as ridge regression has: 265 samples teach no more, and
the search says so by a front of one. For a table of your own write ``data.csv("file.csv",
target="column")`` in place of ``data.sklearn(…)``.
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
