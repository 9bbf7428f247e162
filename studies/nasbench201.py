"""NAS-Bench-201's cells with their recorded accuracy on CIFAR-10, against MACs. Nothing is trained.

The table is a CSV file of 15,625 rows, named by OPTNAS_NASBENCH201. A hundred trials take well under a
minute; expect a front from 8 million MACs at 85 % to some 100 million at 91.2 % (the best cell of all has
91.6 %, the largest 220 million). Cells that compute the same are recognised, and take the values of the
first of them.
"""

import os
from pathlib import Path

from optnas import Study, UserError, maximize, minimize, spaces, tables

path = Path(os.environ.get("OPTNAS_NASBENCH201", "~/.cache/optnas/nasbench201_cifar10.csv.gz")).expanduser()
if not path.is_file():
    raise UserError(
        f"no table {path}: write one from NATS-Bench (github.com/D-X-Y/NATS-Bench), a row a cell, with the"
        " columns arch_str and val200 (validation accuracy, %), and set OPTNAS_NASBENCH201 to it"
    )
table = tables.read(path, choices=["arch_str"], metrics=["val200"])


def recorded(candidate, report):
    """Return the mean accuracy of a candidate after 200 epochs."""
    cell = candidate.architecture.to("nasbench201")
    return {"accuracy": table.rows[cell,]["val200"] / 100}


study = Study(
    name="nasbench201",
    space=spaces.nasbench201(),
    evaluate=recorded,
    objectives=[maximize("accuracy"), minimize("macs")],
    # What the costs of a network are counted on: CIFAR-10's images and classes.
    shape=(3, 32, 32),
    context={"outputs": 10},
)
