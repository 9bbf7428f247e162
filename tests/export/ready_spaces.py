"""Every ready space with the shape of an input, and trained networks drawn from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from optnas import spaces
from optnas.space import Node
from optnas.winner.model import Model
from tests.export.helpers import model_of, schema_for

__all__ = ["SMALL", "SPACES", "networks"]

PICTURE, ROW, SERIES, TOKENS = (3, 32, 32), (10,), (12, 5), (12,)

SPACES = {
    "chain": (spaces.chain(), PICTURE),
    "darts": (spaces.darts(), PICTURE),
    "mlp": (spaces.mlp(), ROW),
    "mobile": (spaces.mobile(stem_stride=1), PICTURE),
    "nasbench201": (spaces.nasbench201(), PICTURE),
    "recurrent of series": (spaces.recurrent(tokens=False), SERIES),
    "recurrent of tokens": (spaces.recurrent(), TOKENS),
    "recurrent language model": (spaces.recurrent("language_modelling"), TOKENS),
    "resnet": (spaces.resnet(), PICTURE),
    "transformer of series": (spaces.transformer(tokens=False), SERIES),
    "transformer of tokens": (spaces.transformer(), TOKENS),
    "transformer language model": (spaces.transformer("language_modelling"), TOKENS),
}

# The same in sizes that are tried in seconds.
SMALL = {
    "chain": (spaces.chain(most=3, widths=(4, 8)), (3, 9, 9)),
    "darts": (spaces.darts(width=4, cells=3), (3, 9, 9)),
    "mlp": (spaces.mlp(widths=(8, 16)), ROW),
    "mobile": (spaces.mobile(((8, 2, 1), (8, 2, 2))), (3, 12, 12)),
    "nasbench201": (spaces.nasbench201(width=4, cells=2), (3, 8, 8)),
    "recurrent": (spaces.recurrent(most=2, widths=(8,)), TOKENS),
    "resnet": (spaces.resnet(width=16, stages=2, blocks=2), (3, 8, 8)),
    "transformer": (spaces.transformer(most=3, widths=(8, 16)), TOKENS),
}


def networks(space: Node, shape: tuple[int, ...], count: int, seed: Any) -> Iterator[Model]:
    """Yield networks of random architectures of a space, as if they were trained."""
    rng = random.Random(seed)
    vocabulary = 11 if shape == TOKENS else None
    context = {"outputs": 4} | ({"vocabulary": vocabulary} if vocabulary else {})
    for index in range(count):
        yield model_of(space.sample(rng), schema_for(shape, vocabulary), seed=index, **context)
