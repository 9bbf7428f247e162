"""The column to predict is what the task needs, and no label is lost without a word."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest

from optnas import UserError, data, tasks

ROWS = 90
X = np.random.default_rng(0).normal(size=ROWS)


def table(labels: list[object], rows: int = ROWS) -> pandas.DataFrame:
    return pandas.DataFrame({"x": X[:rows], "y": [labels[i % len(labels)] for i in range(rows)]})


def as_file(folder: Path, labels: list[object]) -> data.Data:
    table(labels).to_csv(folder / "t.csv", index=False, sep=";")
    return data.csv(folder / "t.csv", "y")


@pytest.mark.parametrize("made", ["file", "frame", "tensors"])
def test_whole_numbers_are_values_to_a_regression_and_classes_to_a_classification(
    tmp_path: Path, made: str
) -> None:
    labels: list[object] = [0, 1, 2]
    held = {
        "file": lambda: as_file(tmp_path, labels),
        "frame": lambda: data.frame(table(labels), "y"),
        "tensors": lambda: data.tensors(X[:, None], table(labels).y.to_numpy()),
    }[made]()
    values, classes = tasks.regression(held), tasks.classification(held)
    values.check()
    classes.check()
    assert (values.data.outputs, classes.data.outputs) == (1, 3)
    assert values.data.splits.train.y.unique().tolist() == [0.0, 1.0, 2.0]
    assert values.data is tasks.regression(held).data


def test_what_whoever_made_the_data_says_is_kept() -> None:
    with pytest.raises(UserError, match=r"use tasks\.classification"):
        tasks.regression(data.frame(table([0, 1]), "y", targets="classes")).check()
    with pytest.raises(UserError, match=r"tasks\.regression learns values"):
        tasks.classification(data.frame(table([0, 1]), "y", targets="values")).check()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1.0", "2.0"], 2),
        (["1", "1.0", "2"], 2),
        ([10, 9, 8], 3),
        (["01", "1"], 2),
        (["b ", " a", "b"], 2),
        (["None", "Mild", "Severe"], 3),
        (["NA", "DE"], 2),
        (["true", "false"], 2),
        (["1,5", "2,5", "3,5"], None),
        ([0.5, 1.5], None),
    ],
)
def test_labels_are_the_classes_that_they_name(
    tmp_path: Path, labels: list[object], classes: int | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = tasks.classification(as_file(tmp_path, labels))
        if classes is None:
            with pytest.raises(UserError, match=r"numbers such as .*5: tasks\.regression learns values"):
                task.check()
        else:
            assert task.data.outputs == classes


@pytest.mark.parametrize("mark", ["None", "NA", "?", "null"])
def test_a_class_that_may_mean_none_is_told(tmp_path: Path, mark: str) -> None:
    held = as_file(tmp_path, [mark, "Mild", "Severe"])
    with pytest.warns(UserWarning, match=r"\(30 times\) is a class; missing=\['"):
        assert held.outputs == 3
    fewer = data.csv(tmp_path / "t.csv", "y", missing=[mark], unlabelled="drop")
    with pytest.warns(UserWarning, match="rows without 'y' are left out: 30"):
        assert fewer.outputs == 2


@pytest.mark.parametrize("gap", ["", "?", "NA"])
def test_rows_without_a_value_are_counted_and_can_be_left_out(tmp_path: Path, gap: str) -> None:
    values: list[object] = [gap if i % 10 == 4 else X[i] for i in range(ROWS)]
    with pytest.raises(UserError, match=r"row 4 \(counted from 0\) has no 'y'.* 9 of 90 rows; unlabelled="):
        as_file(tmp_path, values).splits  # noqa: B018
    with pytest.warns(UserWarning, match="left out: 9"):
        splits = data.csv(tmp_path / "t.csv", "y", unlabelled="drop").splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 81


def test_values_are_read_as_numbers_of_a_column_are(tmp_path: Path) -> None:
    task = tasks.regression(as_file(tmp_path, ["1,5", "2,5", "-3"]))
    with pytest.warns(UserWarning, match="'1,5' is 1.5"):
        assert sorted(task.data.splits.train.y.unique().tolist()) == [-3.0, 1.5, 2.5]
    with pytest.raises(UserError, match="is to be values, but holds 'red', which is no number, in row 1"):
        tasks.regression(as_file(tmp_path, [1, "red"])).check()


def test_a_class_of_one_sample_is_named(tmp_path: Path) -> None:
    labels: list[object] = ["rare", *["a", "b"] * 44, "a"]
    with pytest.raises(UserError, match="of the 'y' 'rare' there is 1 row, and a class needs 3"):
        as_file(tmp_path, labels).splits  # noqa: B018
    with pytest.warns(UserWarning, match="left out: 1"):
        assert data.csv(tmp_path / "t.csv", "y", missing=["rare"], unlabelled="drop").outputs == 2
    with pytest.raises(UserError, match="the 'y' is 'a' in every row"):
        as_file(tmp_path, ["a"]).splits  # noqa: B018


def test_more_whole_numbers_than_classes_are_asked_for() -> None:
    many = pandas.DataFrame({"x": np.tile(X, 4), "y": np.arange(360) * 3})
    with pytest.raises(UserError, match=r"360 different whole numbers: tasks\.regression learns values"):
        tasks.classification(data.frame(many, "y")).check()
    tasks.regression(data.frame(many, "y")).check()
