from __future__ import annotations

import pytest
import torch
from torch import nn

from optnas.train.dropout import faster_dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.93])
def test_so_many_numbers_are_dropped_and_the_mean_is_kept(rate: float) -> None:
    torch.manual_seed(0)
    layer, x = nn.Dropout(rate), torch.ones(1000, 103, requires_grad=True)
    with faster_dropout(layer, "cpu"):
        dropped = layer(x)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / (1 - rate)]), rtol=1e-3, atol=0)
    assert (dropped == 0).float().mean().item() == pytest.approx(rate, abs=0.005)
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped)  # type: ignore[arg-type]
    # By row and by column alike: what is kept does not depend on the place.
    assert (dropped == 0).float().mean(dim=0).std().item() < 0.05


def test_it_follows_the_seed_and_leaves_evaluation_alone() -> None:
    layer, x = nn.Dropout(0.3), torch.randn(150, 150)
    with faster_dropout(layer, "cpu"):
        torch.manual_seed(1)
        first, second = layer(x), layer(x)
        torch.manual_seed(1)
        assert torch.equal(layer(x), first)
        assert not torch.equal(first, second)
        assert torch.equal(layer.eval()(x), x)
    assert "forward" not in vars(layer)


@pytest.mark.parametrize(("rate", "mean"), [(0.0, 1.0), (1e-9, 1.0), (1.0, 0.0)])
def test_rates_at_the_ends(rate: float, mean: float) -> None:
    layer = nn.Dropout(rate)
    with faster_dropout(layer, "cpu"):
        assert layer(torch.ones(150, 150)).mean().item() == mean


def test_other_devices_and_other_kinds_are_left_alone() -> None:
    for layer, device in ((nn.Dropout(0.5), "cuda"), (nn.Dropout2d(0.5), "cpu")):
        with faster_dropout(layer, device):
            assert "forward" not in vars(layer)
