"""A network of a table is exported with what fills gaps, standardises and tells categories apart."""

from __future__ import annotations

import pytest
import torch

from optnas import data, parse
from optnas.data.trees import leaves
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from optnas.export.samples import of_part
from tests.export.helpers import difference, model_of, one_library, traced_of


@pytest.fixture
def table():
    import numpy as np
    import pandas

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "size": rng.normal(100, 30, 200),
            "income": np.where(rng.random(200) < 0.2, np.nan, rng.lognormal(10, 1, 200)),
            "since": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(rng.integers(0, 1500, 200), "D"),
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], 200),
            "kept": rng.choice(["yes", "no"], 200),
            "price": rng.normal(300, 40, 200),
        }
    )
    return data.frame(frame, "price")


@pytest.mark.parametrize("name", ["onnx", "torch-export", "openvino", "python"])
def test_a_table_s_numbers_and_codes_go_in_as_they_are(name, table):
    torch.set_num_threads(1)
    model = model_of(parse("seq(linear(8), relu, head(outputs=1))"), table.schema)
    traced = traced_of(model, 40)
    assert traced.samples["numbers"].isnan().any()
    assert (traced.samples["codes"] == -1).any()
    assert set(traced.input_names) == {"numbers", "codes"}
    with one_library():
        assert difference(FORMATS[name], traced) < TOLERANCE


def test_rows_are_had_back_from_a_table_s_features(table):
    found = of_part(table, "validation")
    stored = next(table.splits.validation.blocks(len(table.splits.validation)))[0]
    again = table.schema.preparation()(found.inputs)
    assert torch.allclose(again, stored, atol=1e-4)
    assert len(list(leaves(found.inputs))) == 2
    assert found.inputs["numbers"].isnan().any()
    assert (found.inputs["codes"] >= 0).all()
    assert found.inputs["numbers"][:, 0].mean() == pytest.approx(100, abs=15)
