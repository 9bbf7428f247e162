from __future__ import annotations

import gzip
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optnas import Study, UserError, maximize, minimize, tables
from optnas.one_shot.strategies import STRATEGIES
from optnas.run.worker import work
from optnas.samplers import SAMPLERS
from optnas.storages.opening import open_storage
from tests.tables import data_folder

ROWS = "op,depth,rate,accuracy,flops\n" + "".join(
    f"{op},{depth},{rate},{0.1 * depth + rate},{1000 * depth}\n"
    for op in ("conv", "pool")
    for depth in (1, 2, 12)
    for rate in (0.5, 0.25)
)


def read(text: str, folder: Path, **names: list[str]) -> tables.Table:
    path = folder / "table.csv"
    path.write_text(text)
    columns = {"choices": ["op", "depth", "rate"], "metrics": ["accuracy", "flops"], "known": ["flops"]}
    return tables.read(path, **{**columns, **names})


def test_a_search_over_a_table_is_a_study_like_any_other(tmp_path: Path) -> None:
    table = read(ROWS, tmp_path)
    study = Study(
        "table",
        table.space,
        evaluate=table,
        costs=table.costs,
        objectives=[maximize("accuracy"), minimize("flops")],
        constraints=["flops <= 5_000"],
        sampler="random",
    )
    opened = study.open(optuna.storages.InMemoryStorage())
    work(study, opened, 30)
    for trial in opened.trials:
        depth = trial.params["depth"]
        if depth == 12:
            assert trial.user_attrs["reason"].endswith("breaks 'flops <= 5_000' with flops = 12,000.0")
        else:
            assert trial.values == [0.1 * depth + trial.params["rate"], 1000 * depth]


def test_columns_of_numbers_are_numeric_choices_in_order(tmp_path: Path) -> None:
    table = read(ROWS, tmp_path)
    assert table.choices == {"op": ("conv", "pool"), "depth": (1, 2, 12), "rate": (0.25, 0.5)}
    assert len(table) == 12
    assert table.space.size() == 12


def test_a_compressed_table_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode()))
    assert len(tables.read(path, choices=["op", "depth", "rate"], metrics=["accuracy"])) == 12


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        (ROWS, {"metrics": ["acuracy"]}, "did you mean 'accuracy'?"),
        (ROWS, {"choices": ["op", "depth"]}, "line 3: a row with these choices is already there"),
        (ROWS.replace("0.35", "high"), {}, "accuracy = 'high' is not a number"),
        (ROWS + "conv,,0.25,0.3,9\n", {}, "line 14: depth is empty"),
        (ROWS + "conv,3\n", {}, "line 14: it is shorter than the first line"),
        ("op,depth,rate,accuracy,flops\n", {}, "has no rows"),
        (ROWS, {"metrics": []}, "at least one column"),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    tmp_path: Path, text: str, names: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(UserError) as error:
        read(text, tmp_path, **names)
    assert said in str(error.value)


def test_there_is_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such table"):
        tables.read(tmp_path / "none.csv", choices=["a"], metrics=["b"])


def test_nasbench201_is_searched_as_recorded(tmp_path: Path) -> None:
    path = data_folder("nasbench201_cifar10") / "nasbench201_cifar10.csv.gz"
    table = tables.read(path, choices=[f"e{i}" for i in range(6)], metrics=["val200"], known=["macs"])
    objectives = [maximize("val200"), minimize("macs")]
    study = Study("nb201", table.space, evaluate=table, costs=table.costs, objectives=objectives)
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    work(study, opened, 25)
    assert len(table) == 15_625
    for trial in opened.trials:
        row = table.rows[tuple(trial.params.values())]
        assert trial.values == [row["val200"], row["macs"]]


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - STRATEGIES.keys()))
def test_what_the_table_lacks_is_pruned_or_not_proposed(tmp_path: Path, sampler: str) -> None:
    header, *lines = ROWS.splitlines(keepends=True)
    table = read(header + "".join(lines[::2]), tmp_path)
    objectives = [maximize("accuracy"), minimize("flops")]
    for costs in (table.costs, None):
        study = Study(
            "table", table.space, evaluate=table, costs=costs, objectives=objectives, sampler=sampler
        )
        opened = study.open(optuna.storages.InMemoryStorage())
        opened.optimize(study.objective, n_trials=12)
        assert all(
            trial.state == TrialState.COMPLETE or "the table has no row" in trial.user_attrs["reason"]
            for trial in opened.trials
        )
        assert any(trial.state == TrialState.COMPLETE for trial in opened.trials)
