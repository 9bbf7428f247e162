"""Random architectures of every ready space agree with PyTorch in ONNX and in .pt2."""

from __future__ import annotations

import os
import random

import pytest
import torch

from optnas import spaces
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from tests.export.helpers import difference, model_of, one_library, schema_for, traced_of

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

# Of each space; tox -e exports takes 100, which is hours.
ARCHITECTURES = int(os.environ.get("OPTNAS_ARCHITECTURES", "1"))

SMALL = {
    "chain": (spaces.chain(most=3, widths=(4, 8)), (3, 9, 9)),
    "mobile": (spaces.mobile(((8, 1, 1), (8, 2, 2))), (3, 12, 12)),
    "recurrent": (spaces.recurrent(most=2, widths=(8,)), TOKENS),
    "transformer": (spaces.transformer(most=1, widths=(8,)), TOKENS),
}


def worst(space, shape, count, seed=0):
    """Return the largest difference by format over random architectures of a space."""
    torch.set_num_threads(1)
    rng = random.Random(seed)
    vocabulary = 11 if shape == TOKENS else None
    context = {"outputs": 4} | ({"vocabulary": vocabulary} if vocabulary else {})
    found = {"onnx": 0.0, "torch-export": 0.0}
    with one_library():
        for index in range(count):
            architecture = space.sample(rng)
            model = model_of(architecture, schema_for(shape, vocabulary), seed=index, **context)
            traced = traced_of(model)
            for name in found:
                apart = difference(FORMATS[name], traced)
                assert apart <= TOLERANCE, f"{name} differs by {apart:.2g}: {architecture}"
                found[name] = max(found[name], apart)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_random_architecture_agrees_with_pytorch(name):
    space, shape = SMALL[name]
    worst(space, shape, 1, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_random_architectures_of_every_ready_space_agree_with_pytorch(name, record_property, capsys):
    space, shape = SPACES[name]
    found = worst(space, shape, ARCHITECTURES)
    record_property("largest difference", str(found))
    with capsys.disabled():
        told = ", ".join(f"{form} {apart:.1e}" for form, apart in found.items())
        print(f"\n{name}: {ARCHITECTURES} architectures, largest difference: {told}")


def test_every_ready_space_is_tried():
    ready = {
        name for name in spaces.__all__ if name not in ("darts_network", "genotype", "nasbench201_network")
    }
    assert {name.split()[0] for name in SPACES} == ready
