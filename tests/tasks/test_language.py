from __future__ import annotations

import math

import pytest
import torch

from optnas import Study, Training, UserError, data, minimize, ops, parse, tasks
from optnas.space import SpaceError
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train import fit
from tests.tables import data_folder

CPU = torch.device("cpu")


def alternating(tmp_path) -> tasks.Language:
    path = tmp_path / "abc.txt"
    path.write_text("abc" * 1000)
    return tasks.language(data.text(path, context=8))


def test_what_is_certain_is_learned_to_a_perplexity_of_one(tmp_path) -> None:
    task = alternating(tmp_path)
    torch.manual_seed(0)
    module = parse("seq(embedding(8), lm_head)").build((8,), **task.context)
    found = fit(module, task, Training(epochs=9, lr=0.1), device=CPU, seed=0)
    assert found["perplexity"] < 1.05
    assert found["bits_per_character"] < 0.1


def test_metrics_are_three_units_of_one_loss(tmp_path) -> None:
    task = alternating(tmp_path)
    outputs = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(0))
    targets = task.data.splits.train.y[:5]
    found = task.measure(outputs, targets)
    assert found["perplexity"] == pytest.approx(
        torchmetrics().text.perplexity(outputs, targets.long()).item(), rel=1e-5
    )
    assert found["loss"] == pytest.approx(math.log(found["perplexity"]), rel=1e-5)
    assert found["bits_per_character"] == pytest.approx(math.log2(found["perplexity"]), rel=1e-5)


def test_a_network_that_gives_one_score_a_window_is_told_what_to_end_with(tmp_path) -> None:
    task = alternating(tmp_path)
    space = ops.seq(ops.embedding(8), ops.head())
    study = Study("abc", space, task=task, objectives=[minimize("perplexity")])
    with pytest.raises(SpaceError, match="end the space with lm_head"):
        study.costs(study.candidate({}))


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"use data\.text"):
        tasks.language(data.sklearn("iris")).check()


def test_shakespeare_is_learned_better_than_the_frequency_of_letters() -> None:
    task = tasks.language(
        data.text(data_folder("tinyshakespeare") / "input.txt", context=32, characters=100_000)
    )
    torch.manual_seed(0)
    module = parse("seq(embedding(32), gru(32), lm_head)").build((32,), **task.context)
    found = fit(module, task, Training(epochs=1, batch_size=16, lr=1e-2), device=CPU, seed=0)
    # Drawing letters by their frequencies has a perplexity of some 27, by pairs of letters of 12.
    assert found["perplexity"] < 14
