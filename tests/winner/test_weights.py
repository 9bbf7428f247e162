"""Weights that are not those of a network: one line, and no memory for what a header says."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from optnas.winner.weights import read_weights


class Masked(nn.Module):
    """A network with a parameter, and a mask that holds infinite numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 2))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))


def written(path: Path, **changed: torch.Tensor) -> Path:
    save_file({**Masked().state_dict(), **changed}, path / "x.safetensors")
    return path / "x.safetensors"


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    found = read_weights(written(tmp_path), Masked())
    assert found.keys() == {"weight", "mask"}
    assert torch.equal(found["weight"], torch.ones(3, 2))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float16,
        torch.int64,
        torch.bool,
        torch.uint8,
        torch.complex64,
        torch.float8_e4m3fn,
    ],
)
def test_weights_of_another_type_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"'weight' are of {dtype}, not of torch\.float32"):
        read_weights(written(tmp_path, weight=torch.ones(3, 2).to(dtype)), Masked())


@pytest.mark.parametrize(
    ("name", "value"), [("weight", torch.nan), ("weight", torch.inf), ("mask", torch.nan)]
)
def test_weights_that_are_no_numbers_are_refused(name: str, value: float, tmp_path: Path) -> None:
    changed = Masked().state_dict()[name].clone()
    changed.view(-1)[0] = value
    with pytest.raises(ValueError, match=rf"'{name}' hold numbers that are none"):
        read_weights(written(tmp_path, **{name: changed}), Masked())


def test_weights_of_other_names_or_shapes_are_refused(tmp_path: Path) -> None:
    for changed in ({"more": torch.ones(2)}, {"weight": torch.ones(2, 3)}):
        with pytest.raises(ValueError, match="are not those of the architecture"):
            read_weights(written(tmp_path, **changed), Masked())


def test_a_header_of_millions_of_names_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    entry = json.dumps({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
    header = ("{" + ",".join(f'"t{i}":{entry}' for i in range(1_000_000)) + "}").encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    before = time.process_time()
    with pytest.raises(ValueError, match=r"bytes, more than any of such weights"):
        read_weights(path, Masked())
    assert time.process_time() - before < 1
