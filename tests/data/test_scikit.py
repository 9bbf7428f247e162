from __future__ import annotations

import pytest

from optnas import UserError, data


@pytest.mark.parametrize(
    ("name", "samples", "shape", "outputs"),
    [
        ("breast_cancer", 569, (30,), 2),
        ("diabetes", 442, (10,), 1),
        ("iris", 150, (4,), 3),
        ("linnerud", 20, (3,), 3),
        ("wine", 178, (13,), 3),
    ],
)
def test_a_table_of_scikit_learn_comes_whole(name: str, samples: int, shape: tuple, outputs: int) -> None:
    table = data.sklearn(name)
    parts = table.splits
    assert sum(len(part) for part in (parts.train, parts.validation, parts.test)) == samples
    assert (table.shape, table.outputs, table.name) == (shape, outputs, name)


def test_an_unknown_table_is_told_the_nearest_at_once() -> None:
    with pytest.raises(UserError, match="did you mean 'breast_cancer'"):
        data.sklearn("breastcancer")
