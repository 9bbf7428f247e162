from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from optnas import UserError, data


def houses(rows: int = 60) -> pandas.DataFrame:
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {
            "area": rng.normal(100, 30, rows),
            "rooms": rng.integers(1, 6, rows),
            "town": np.array(["Ulm", "Kiel", "Bonn"])[np.arange(rows) % 3],
            "old": np.arange(rows) % 2 == 0,
            "kind": np.array(["flat", "house"])[np.arange(rows) % 2],
        }
    )
    return table.assign(price=table.area * 3000.0 + 500)


def test_numbers_are_standardised_and_texts_are_a_feature_each() -> None:
    splits = data.frame(houses(), "price").splits
    x = splits.train.x
    assert x.shape == (36, 3 + 3 + 2)
    assert torch.allclose(x[:, :3].mean(dim=0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(x[:, :3].std(dim=0, correction=0), torch.ones(3), atol=1e-5)
    assert x[:, 3:].unique().tolist() == [0, 1]
    assert (x[:, 3:6].sum(dim=1) == 1).all()
    assert splits.outputs == 1
    assert data.frame(houses(), "kind").outputs == 2
    assert data.frame(houses(), "price", drop=["town", "kind"]).shape == (3,)


def test_gaps_are_filled_with_the_mean_and_marked() -> None:
    table = houses()
    table.loc[::5, "area"] = np.nan
    table.loc[::4, "town"] = None
    x = data.frame(table, "price", drop=["kind", "old", "rooms"]).splits.train.x
    assert x.shape[1] == 1 + 1 + 4  # the area, its mark, three towns and no town
    marked = x[:, 1] > 0
    assert 0 < marked.sum() < len(x)
    assert torch.allclose(x[marked, 0], torch.zeros(1), atol=1e-6)


def test_a_text_that_training_has_not_seen_is_no_category() -> None:
    table = houses()
    seen = data.frame(table, "price", seed=3)
    # The samples of the validation part, found by their price.
    held_out = table.price.astype("float32").isin(seen.splits.validation.y.tolist())
    table.loc[held_out, "town"] = "Rome"
    splits = data.frame(table, "price", seed=3, drop=["kind"]).splits
    assert (splits.validation.x[:, 3:] == 0).all()
    assert (splits.train.x[:, 3:].sum(dim=1) == 1).all()


def test_a_csv_file_reads_as_the_frame_it_was(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv.gz"
    houses().to_csv(path, index=False)
    read, made = data.csv(path, "kind"), data.frame(houses(), "kind")
    assert torch.allclose(read.splits.train.x, made.splits.train.x)
    assert torch.equal(read.splits.train.y, made.splits.train.y)
    assert read.name == "houses.csv.gz"
    semicolons = tmp_path / "houses.csv"
    houses().to_csv(semicolons, index=False, sep=";")
    assert torch.allclose(data.csv(semicolons, "kind", separator=";").splits.train.x, read.splits.train.x)


def test_classes_of_a_column_count_in_sorted_order() -> None:
    table = houses().assign(stars=np.array([5, 1, 3])[np.arange(60) % 3])
    parts = data.frame(table, "stars").splits
    assert parts.outputs == 3
    assert set(parts.train.y.tolist()) == {0, 1, 2}


def spoilt(**columns: object) -> pandas.DataFrame:
    return houses().assign(**columns)


@pytest.mark.parametrize(
    ("table", "target", "said"),
    [
        (houses(), "prize", "has no column 'prize': did you mean 'price'"),
        (houses()[["price"]], "price", "no column beside 'price'"),
        (houses()[:0], "price", "has no rows"),
        (houses()[:1], "price", "cannot be split in three"),
        (spoilt(price=lambda t: t.price.where(t.index != 9)), "price", r"row 9 \(counted from 0\) has no"),
        (spoilt(area=lambda t: t.area.where(t.index != 9, np.inf)), "price", "'area' holds an infinite"),
        (spoilt(price=lambda t: t.price.where(t.index != 9, -np.inf)), "price", "target 9 holds a value"),
        (spoilt(waves=[1j] * 60), "price", "'waves' holds complex numbers"),
        (spoilt(lists=[[1]] * 60), "price", "'lists' of object holds neither"),
        (pandas.concat([houses()] * 2, axis=1), "price", "two columns of one name"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: pandas.DataFrame, target: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        data.frame(table, target).splits  # noqa: B018


def test_names_and_amounts_are_not_taken_for_categories_and_classes() -> None:
    many = pandas.DataFrame({"id": [f"n{i}" for i in range(300)], "cost": range(300), "x": [1.0, 2.0] * 150})
    with pytest.raises(UserError, match=r"drop=\['id'\]"):
        data.frame(many, "cost", targets="values").splits  # noqa: B018
    with pytest.raises(UserError, match="say targets='values'"):
        data.frame(many, "cost", drop=["id"]).splits  # noqa: B018
    assert data.frame(many, "cost", targets="values", drop=["id"]).outputs == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"a,price\n", "has no rows"),
        (b"a,price\n1,2\n1,2,3,4\n", "is not a CSV file"),
        (b"a,price\n\xff\xfe\x00,1\n", "is not a CSV file in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "houses.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said) as refused:
        data.csv(path, "price").splits  # noqa: B018
    assert "houses.csv" in str(refused.value)
    assert "\n" not in str(refused.value)
