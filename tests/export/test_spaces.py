"""Random architectures of every ready space agree with PyTorch in ONNX and in .pt2."""

from __future__ import annotations

import os

import pytest
import torch

from optnas import spaces
from optnas.export import FORMATS
from optnas.export.export import TOLERANCE
from tests.export.helpers import difference, one_library, traced_of
from tests.export.ready_spaces import SMALL, SPACES, networks

# Of each space; tox -e exports takes 100.
ARCHITECTURES = int(os.environ.get("OPTNAS_ARCHITECTURES", "1"))

# Those whose graphs differ most: to write and read one takes seconds.
QUICK = ("chain", "mobile", "recurrent", "transformer")


def worst(space, shape, count, seed=0):
    """Return the largest difference by format over random architectures of a space."""
    torch.set_num_threads(1)
    found = {"onnx": 0.0, "torch-export": 0.0}
    with one_library():
        for model in networks(space, shape, count, seed):
            traced = traced_of(model)
            for name in found:
                apart = difference(FORMATS[name], traced)
                assert apart <= TOLERANCE, f"{name} differs by {apart:.2g}: {model.record['architecture']}"
                found[name] = max(found[name], apart)
    return found


@pytest.mark.parametrize("name", QUICK)
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
