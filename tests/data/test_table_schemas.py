"""Rows of a table as users have them: read as was decided in training, or refused in one line."""

from __future__ import annotations

import datetime
import json
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas import UserError, data
from optnas.data.column import Reading
from optnas.data.schemas import Table, schema_of, schema_record
from optnas.data.tabular import Plan, Tabular, tabular
from optnas.errors import DataWarning

ROWS = 60
RNG = np.random.default_rng(0)
DAYS = pandas.Series(pandas.date_range("2023-11-05 13:07:09", periods=ROWS, freq="31h"))
AMOUNTS = RNG.integers(-(10**6), 10**6, ROWS) / 100
GAPS = np.arange(ROWS) % 7 == 3


def gapped(values: Any, mark: Any = "") -> list[Any]:
    """Return values with a mark in place of some."""
    return [mark if gap else value for value, gap in zip(values, GAPS, strict=True)]


COLUMNS: dict[str, Any] = {
    "number": AMOUNTS,
    "integer": RNG.integers(0, 9, ROWS),
    "with gaps": np.where(GAPS, np.nan, AMOUNTS),
    "nullable": pandas.array(gapped(RNG.integers(0, 9, ROWS), None), dtype="Int64"),
    "texts": [str(a) for a in AMOUNTS],
    "marked": gapped([str(a) for a in AMOUNTS], "n/a"),
    "odd word": ["sold", "Sold", *[str(a) for a in AMOUNTS[2:]]],
    "comma": [f"{a:.2f}".replace(".", ",") for a in AMOUNTS],
    "grouped": [f"{a:,.2f}" for a in AMOUNTS],
    "money": [f"({-a:.2f})" if a < 0 else f"{a:.2f}" for a in AMOUNTS],
    "unit": [f"{a:.2f} km/h" for a in AMOUNTS],
    "currency": [f"$ {a:.2f}" for a in AMOUNTS],
    "huge": [f"{a}e300" for a in AMOUNTS],
    "tiny": AMOUNTS * 1e-310,
    "Decimal": [Decimal(str(a)) for a in AMOUNTS],
    "mixed": gapped([float(a) for a in AMOUNTS], "?"),
    "bool": RNG.random(ROWS) < 0.5,
    "bool or none": gapped((RNG.random(ROWS) < 0.5).tolist(), None),
    "nullable bool": pandas.array(gapped((RNG.random(ROWS) < 0.5).tolist(), None), dtype="boolean"),
    "yes": gapped(np.array(["Yes", "no "])[RNG.integers(0, 2, ROWS)]),
    "on": np.array(["on", "off"])[RNG.integers(0, 2, ROWS)],
    "time": DAYS,
    "time with gaps": DAYS.where(~GAPS),
    "instant": DAYS.dt.tz_localize("Asia/Tokyo"),
    "period": pandas.Series(pandas.period_range("2020-01", periods=ROWS, freq="M")),
    "object time": DAYS.astype(object),
    "date": DAYS.dt.date,
    "duration": pandas.to_timedelta(RNG.integers(0, 10**6, ROWS), unit="s"),
    "iso": DAYS.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "offset": [f"{day:%Y-%m-%d %H:%M}+0{1 + i % 3}:00" for i, day in enumerate(DAYS)],
    "day first": gapped(DAYS.dt.strftime("%d.%m.%Y")),
    "american": DAYS.dt.strftime("%m/%d/%Y %I:%M %p"),
    "compact": DAYS.dt.strftime("%Y%m%d"),
    "month": DAYS.dt.strftime("%b %d, %Y"),
    "town": np.array(["Ulm", "São Paulo", 'a "b"', "", "?"])[RNG.integers(0, 5, ROWS)],
    "code": [f"0{1000 + row % 7}" for row in range(ROWS)],
    "declared": pandas.Categorical(np.array(["x", "y", "z"])[RNG.integers(0, 3, ROWS)]),
    "few": [["1", "2", "K"][row % 3] for row in range(ROWS)],
    "constant": [5] * ROWS,
    "id": range(ROWS),
}


def understood(table: pandas.DataFrame, **options: Any) -> Tabular:
    return tabular(table, Plan("t", "y", reading=Reading(**options)))


def table_of(columns: dict[str, Any]) -> pandas.DataFrame:
    return pandas.DataFrame({**columns, "y": RNG.normal(size=ROWS).round(6)})


def again(schema: Any) -> Table:
    """Return a schema that went through JSON."""
    found = schema_of(json.loads(json.dumps(schema_record(schema))))
    assert isinstance(found, Table)
    return found


def assert_as_inferred(table: Tabular) -> None:
    """Assert that each cell is read by the record as it was in training, from the whole column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = again(table.splits(table.likely()).schema)
    of_name = {column.name: column for column in schema.columns}
    assert list(of_name) == [column.name for column in table.columns]
    for column in table.columns:
        how, cells = of_name[column.name], table.table[column.name]
        if column.kind == "left out":
            assert how.kind == "left out"
        elif column.texts is not None:
            assert how.read(cells, str).tolist() == column.texts.tolist()  # type: ignore[attr-defined]
        else:
            found = how.read(cells, str)  # type: ignore[attr-defined]
            assert np.array_equal(found, column.numbers[column.name], equal_nan=True)
        if column.kind != "left out":
            # A row alone says nothing of its column.
            alone = [how.read(cells.iloc[row : row + 1], str)[0] for row in range(0, len(cells), 9)]  # type: ignore[attr-defined]
            whole = how.read(cells, str)[::9]  # type: ignore[attr-defined]
            assert [repr(each) for each in alone] == [repr(each) for each in whole]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_cell_is_read_by_the_record_as_it_was_from_the_whole_column(name: str) -> None:
    # Beside another one, as a table needs a column to learn from.
    assert_as_inferred(understood(table_of({name: COLUMNS[name], "other": AMOUNTS})))


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (gapped([str(a) for a in AMOUNTS], "-999"), {"missing": ["-999"]}),
        (np.where(GAPS, -999, AMOUNTS), {"missing": ["-999.0"]}),
        (gapped([str(a) for a in AMOUNTS], "1e400"), {"missing": ["1e400"]}),
        (gapped([f"{a:.2f}" for a in AMOUNTS], ">5 at least"), {"numbers": ["x"]}),
        ([f"{a:.3f}" for a in AMOUNTS], {"decimal": "."}),
        ([f"{1 + r % 12:02d}/{1 + r % 11:02d}/2024" for r in range(ROWS)], {"dates": {"x": "%d/%m/%Y"}}),
        (DAYS.dt.strftime("%Y week %W, %w"), {"dates": {"x": "%Y week %W, %w"}}),
        (AMOUNTS.round(-3), {"categories": ["x"]}),
        (range(2**60, 2**60 + ROWS), {"categories": ["x"]}),
    ],
)
def test_what_was_said_of_a_column_is_recorded(cells: Any, options: dict[str, Any]) -> None:
    assert_as_inferred(understood(table_of({"x": cells, "other": AMOUNTS}), **options))


CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:,.2f}"),
    st.integers(-(10**6), 10**6).map(str),
    st.dates().map(str),
    st.datetimes().map(lambda t: t.strftime("%d.%m.%Y %H:%M")),
    st.sampled_from(["", "?", "n/a", "-", "unknown", "yes", "no", "True", "false", " Ulm ", "ulm", "5 kg"]),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_table_is_read_by_its_record_as_it_was_in_training(draw: Any) -> None:
    columns: dict[str, Any] = {"other": AMOUNTS[:30]}
    for i in range(draw.draw(st.integers(1, 3))):
        some = draw.draw(st.lists(CELLS, min_size=1, max_size=6))
        kind = draw.draw(st.sampled_from([some, some[:2], some[:1]]))
        cells = st.one_of(st.sampled_from(kind), st.none(), st.sampled_from(["", "?"]))
        columns[f"c{i}"] = pandas.Series(draw.draw(st.lists(cells, min_size=30, max_size=30)), dtype=object)
    table = pandas.DataFrame({**columns, "y": np.arange(30) + 0.5})
    try:
        found = understood(table)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.splits(found.likely())
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert_as_inferred(found)


def of_scikit_learn(columns: Any, train: np.ndarray) -> np.ndarray:
    """Return the features that scikit-learn makes of a table's columns."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = {key: values for column in columns for key, values in column.numbers.items()}
    first = [next(iter(column.numbers)) for column in columns if column.numbers]
    texts = {column.name: column.texts for column in columns if column.texts is not None}
    transform = make_column_transformer(
        (
            make_pipeline(SimpleImputer(keep_empty_features=True, add_indicator=True), StandardScaler()),
            first,
        ),
        (
            make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()),
            [key for key in numbers if key not in first],
        ),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(texts)),
    )
    table = pandas.DataFrame({**numbers, **texts})
    return np.asarray(transform.fit(table.iloc[train]).transform(table))


USUAL = {name: cells for name, cells in COLUMNS.items() if name not in ("huge", "tiny", "comma", "grouped")}


def test_features_are_those_of_scikit_learn() -> None:
    rare = np.where(np.arange(ROWS) == 5, 1.0, np.nan)  # empty in the training part, or nearly so
    table = understood(table_of({**USUAL, "rare": rare}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = table.likely()
        splits, parts = table.splits(target), table.parts(target)
    expected = of_scikit_learn(table.columns, parts[0])
    for part, rows in zip((splits.train, splits.validation, splits.test), parts, strict=True):
        assert part.x.dtype == torch.float32
        assert part.x.numpy() == pytest.approx(expected[rows], abs=1e-5)


@pytest.fixture(scope="module")
def schema() -> Table:
    """The schema of a table of every kind of column, read from its record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return again(data.frame(table_of(USUAL), "y").schema)


def row(schema: Table, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = eval(schema.example())
    return found | {name.replace("_", " "): value for name, value in changed.items()}


def features(schema: Table, rows: Any) -> torch.Tensor:
    found: torch.Tensor = schema.preparation()(schema.tensors(rows))
    return found


def test_the_example_is_a_row_that_has_no_warning(schema: Table) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = features(schema, row(schema))
    assert found.shape == (1, *schema.shape)
    assert found.isfinite().all()
    for column in schema.used:
        assert repr(column.name) in schema.told()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"number": "big"}, "column 'number' in row 1 (counted from 0) holds 'big', no number"),
        ({"number": "1,5"}, "column 'number' in row 1 (counted from 0) holds '1,5', no number"),
        ({"number": float("inf")}, "holds inf, an infinite number"),
        ({"number": "1e400"}, "holds '1e400', an infinite number"),
        ({"number": 10**400}, "an infinite number"),
        ({"number": 1e60}, "column 'number' in row 1 (counted from 0) is too far from all"),
        ({"number": [1, 2]}, "holds [1, 2], neither a number nor a text"),
        ({"number": 1j}, "holds 1j, no number"),
        ({"number": datetime.date(2024, 1, 1)}, "no number"),
        ({"unit": "5 mph"}, "holds '5 mph', no number (in km/h)"),
        ({"yes": "perhaps"}, "holds 'perhaps', neither 'yes' nor 'no'"),
        ({"bool": 2}, "holds 2, neither 'true' nor 'false'"),
        ({"day_first": "2024-02-30"}, "holds '2024-02-30', no date as '%d.%m.%Y' says"),
        ({"day_first": "30.02.2024"}, "holds '30.02.2024', no date as '%d.%m.%Y' says"),
        ({"day_first": 5.5}, "holds 5.5, no date"),
        ({"iso": "2024-02-03T10:00:00"}, "a time without a zone, and in training all had one"),
        ({"time": "2024-02-03T10:00:00Z"}, "a time with a zone, and in training none had one"),
        ({"instant": datetime.datetime(2024, 2, 3, 10)}, "a time without a zone"),
        ({"town": ["Ulm"]}, "column 'town' in row 1 (counted from 0) holds ['Ulm'], neither a text nor"),
    ],
)
def test_a_cell_of_another_kind_is_named_by_column_and_row(
    schema: Table, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        schema.tensors([row(schema), row(schema, **changed)])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_row_of_a_large_table_is_named_in_whichever_batch_it_is(schema: Table) -> None:
    rows = [row(schema) for _ in range(20)]
    rows[17]["number"] = "big"
    with pytest.raises(UserError, match="in row 17 "):
        list(schema.batches(rows, 5))


def test_missing_columns_are_told_and_others_do_not_matter(schema: Table) -> None:
    full = row(schema)
    without = {name: value for name, value in full.items() if name != "town"}
    for given_rows in (without, [full, without], pandas.DataFrame([without])):
        with pytest.raises(UserError, match=r"no (column )?'town': "):
            schema.tensors(given_rows)
    table = pandas.DataFrame([full])
    with pytest.raises(UserError, match="two columns of one name, 'town'"):
        schema.tensors(pandas.concat([table, table[["town"]]], axis=1))
    more = {"price": 5, "y": "?", 7: [1], **dict(reversed(full.items()))}
    assert torch.equal(features(schema, more), features(schema, full))


def test_a_gap_where_training_had_none_is_filled_with_the_mean(schema: Table) -> None:
    for gap in (None, np.nan, "", "n/a", pandas.NA, pandas.NaT):
        found = schema.tensors(row(schema, number=gap))["numbers"]
        assert found.isnan().sum() == 1
        assert features(schema, row(schema, number=gap))[0, 0] == pytest.approx(0, abs=1e-6)


def test_an_unknown_category_is_warned_of_and_0_in_all_features(schema: Table) -> None:
    with pytest.warns(DataWarning) as told:
        found = features(schema, [row(schema, few="W"), row(schema), row(schema, few="V")])
    (warning,) = told
    said = "column 'few': 'V', 'W', in 2 rows, not in the training part and so 0 in all features"
    assert str(warning.message) == said
    assert found[0].sum() == found[1].sum() - 1
    with pytest.warns(DataWarning, match="'W', in 4 rows") as told:
        list(schema.batches([row(schema, few="W")] * 4, 1))
    assert len(told) == 1


def test_a_number_is_the_category_that_it_was_in_training() -> None:
    codes = pandas.Series(np.arange(ROWS) % 3 + 1)
    for cells in (codes, codes.astype(float), codes.astype(str)):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataWarning)
            found = data.frame(table_of({"x": cells}), "y", categories=["x"]).schema
            for value in (2, 2.0, np.int64(2), np.float32(2)):
                assert found.tensors({"x": value})["codes"].tolist() == [[1]]


def test_thousands_of_categories_are_a_feature_each() -> None:
    names = np.array([f"n{i % 3000}" for i in range(9000)])
    table = pandas.DataFrame({"x": names, "y": np.arange(9000) / 7})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = data.frame(table, "y", categories=["x"]).splits
    schema = again(splits.schema)
    known = sorted(set(names.tolist()))[:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = features(schema, {"x": known})
    assert found.shape[1] == splits.train.x.shape[1]
    assert (found.sum(1) <= 1).all()
    assert len(known) * 0.9 < found.sum() < len(known)


def test_what_is_left_of_a_table_of_one_kind_is_all_that_a_network_needs() -> None:
    for cells, key in ((AMOUNTS, "numbers"), (["a", "b", "c"] * 20, "codes")):
        schema = again(data.frame(table_of({"x": cells}), "y").schema)
        assert schema.tensors({"x": [cells[0], cells[1]]}).keys() == {key}
        assert features(schema, {"x": [cells[0], cells[1]]}).shape == (2, *schema.shape)


def test_the_layer_is_the_same_in_onnx(schema: Table, tmp_path: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors, layer = schema.tensors(table_of(USUAL)), schema.preparation()
        shapes = {name: {0: torch.export.Dim("samples")} for name in tensors}
        program = torch.onnx.export(
            layer, (tensors, {}), dynamo=True, dynamic_shapes=(shapes,), verbose=False
        )
    program.save(tmp_path / "layer.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx")
    names = [each.name for each in session.get_inputs()]
    for rows in (slice(0, 7), slice(None)):
        some = {name: each[rows] for name, each in tensors.items()}
        fed = dict(zip(names, (each.numpy() for each in some.values()), strict=True))
        assert session.run(None, fed)[0] == pytest.approx(layer(some).numpy(), abs=1e-5)
