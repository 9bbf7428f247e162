"""Transcription by connectionist temporal classification."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from optnas import SpaceError, Study, UserError, data, minimize, parse, tasks
from optnas.train import Training, fit

CPU = torch.device("cpu")


def series(samples: int = 160, symbols: int = 3, most: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return series (samples, 24, symbols) of runs of frames in which the symbol's own feature is high."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.1, (samples, 24, symbols)), np.full((samples, most), -1)
    for sample in range(samples):
        row = rng.integers(symbols, size=rng.integers(1, most + 1))
        y[sample, : len(row)] = row
        for place, symbol in enumerate(row):
            x[sample, 8 * place + 1 : 8 * place + rng.integers(4, 7), symbol] += 3
    return x, y


def task_of(x: np.ndarray, y: np.ndarray) -> tasks.Transcription:
    return tasks.transcription(data.tensors(x, y, layout="channels_last", targets="classes"))


def logits(frames: list[int], scores: int = 4) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([frames]), scores).float() * 20


def test_repetitions_are_one_symbol_unless_a_blank_is_between_them() -> None:
    task = task_of(*series())
    assert tasks.transcribed(logits([3, 0, 0, 3, 0, 1, 1, 2])) == [[0, 0, 1, 2]]
    found = task.measure(logits([3, 0, 0, 3, 0, 1, 1, 2]), torch.tensor([[0, 0, 1, 2, -1]]))
    assert found["error_rate"] == 0
    assert found["exact"] == 1
    assert found["loss"] < 1e-3


def test_errors_are_edits_over_the_symbols_that_should_be_there() -> None:
    task = task_of(*series())
    outputs = torch.cat([logits([0, 1, 2, 3]), logits([3, 3, 3, 3])])
    found = task.measure(outputs, torch.tensor([[0, 2, 2, -1], [1, -1, -1, -1]]))
    assert found["error_rate"] == pytest.approx(2 / 4)  # one replaced, one missing
    assert found["exact"] == 0


def test_the_loss_is_of_all_alignments_together() -> None:
    task = task_of(*series())
    outputs = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))
    chances = outputs[0].softmax(dim=1)
    # Symbol 1 in two frames: in both, or in one beside a blank.
    total = chances[0, 1] * chances[1, 1] + chances[0, 1] * chances[1, 3] + chances[0, 3] * chances[1, 1]
    assert task.loss(outputs, torch.tensor([[1, -1]])).item() == pytest.approx(-total.log().item(), rel=1e-5)


def test_a_network_learns_to_transcribe_without_alignments() -> None:
    task = task_of(*series())
    task.check()
    torch.manual_seed(0)
    module = parse("seq(conv1d(16, 5), relu, lm_head)").build(task.data.shape, **task.context)
    found = fit(module, task, Training(epochs=20, batch_size=16, lr=2e-2), device=CPU, seed=0)
    assert found["error_rate"] < 0.1
    (baseline,) = task.baselines().values()
    assert baseline["error_rate"] < 0.1  # silence is between all of them here
    assert task.at_chance(found) is None
    assert "at chance" in (task.at_chance(task.chance) or "")


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((20, 8)), np.zeros((20, 2), int), "takes series"),
        (np.random.rand(20, 8, 2), np.zeros(20, int) + np.arange(20) % 2, "takes series"),
        (np.random.rand(20, 8, 2), np.random.rand(20, 2), "whole numbers from 0 on"),
        (np.random.rand(20, 8, 2), np.tile([0, -1, 1], (20, 1)), "goes on after -1"),
    ],
)
def test_what_cannot_be_transcribed_is_told(x: np.ndarray, y: np.ndarray, said: str) -> None:
    layout = "channels_last" if x.ndim > 2 else "auto"
    with pytest.raises(UserError, match=said):
        tasks.transcription(data.tensors(x, y, layout=layout)).check()


def test_a_network_of_one_answer_a_series_is_told_what_to_end_with() -> None:
    task = task_of(*series())
    with pytest.raises(UserError, match="end the space with lm_head"):
        task.loss(torch.zeros(2, 4), torch.tensor([[0], [1]]))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("seq(flatten, head)", r"puts out \(4,\), but the task takes \(frames, 4\), a score .* lm_head"),
        ("seq(conv1d(8), linear(3))", r"puts out \(24, 3\), but the task takes \(frames, 4\)"),
        (
            "seq(conv1d(8, stride=4), conv1d(8, stride=4), lm_head)",
            r"puts out \(2, 4\), but the task takes at least \(3, 4\), .* 3 symbols.* smaller strides",
        ),
    ],
)
def test_a_network_that_cannot_write_every_transcript_is_told_before_it_is_trained(
    network: str, said: str
) -> None:
    study = Study("sounds", parse(network), task=task_of(*series()), objectives=[minimize("loss")])
    with pytest.raises(SpaceError, match=said):
        study.tree_costs(study.space)
    assert study.tree_costs(parse("seq(conv1d(8, stride=8), lm_head)"))["params"] > 0  # 3 frames
