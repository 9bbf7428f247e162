from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.profiler import profile

from optnas.ops.sequence_modules import States
from optnas.train.recurrence import faster_recurrence


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}]
)
@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN])
def test_a_recurrence_learns_by_the_same_gradients(
    kind: type[nn.RNNBase], options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    layer = States(kind(5, 7, batch_first=True, **options)).double()
    x = torch.randn(3, 6, 5, dtype=torch.float64, requires_grad=True)
    inputs = (x, *layer.parameters())

    def found() -> tuple[torch.Tensor, ...]:
        states = layer(x)
        return states, *torch.autograd.grad((states.square() * torch.arange(1, 7)[:, None]).sum(), inputs)

    usual = found()
    with faster_recurrence(layer, "cpu"), profile() as seen:
        ours = found()
    assert not any(event.key in ("aten::gru", "aten::rnn_tanh") for event in seen.key_averages())
    for mine, theirs in zip(ours, usual, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert "forward" not in vars(layer)


def test_one_step_is_a_sequence_too() -> None:
    layer = States(nn.GRU(5, 7, batch_first=True))
    x = torch.randn(3, 1, 5)
    with faster_recurrence(layer, "cpu"):
        torch.testing.assert_close(layer(x), layer.recurrent(x)[0])
        layer(x).sum().backward()


def test_other_recurrences_and_other_devices_are_left_alone() -> None:
    for layer, device in (
        (States(nn.LSTM(5, 7, batch_first=True)), "cpu"),
        (States(nn.RNN(5, 7, batch_first=True, nonlinearity="relu")), "cpu"),
        (States(nn.GRU(5, 7)), "cpu"),
        (States(nn.GRU(5, 7, batch_first=True)), "cuda"),
    ):
        with faster_recurrence(layer, device):
            assert "forward" not in vars(layer)


def test_dropout_between_layers_is_of_training_only() -> None:
    torch.manual_seed(0)
    layer = States(nn.GRU(5, 7, num_layers=2, dropout=0.5, batch_first=True))
    x = torch.randn(3, 6, 5)
    with faster_recurrence(layer, "cpu"):
        assert not torch.equal(layer(x), layer(x))
        layer.eval()
        torch.testing.assert_close(layer(x), layer.recurrent(x)[0])
