"""Losses and metrics of networks on shared weights are those of the task."""

from __future__ import annotations

import pytest
import torch

from optnas import ops
from optnas.one_shot.learning import Learning
from optnas.one_shot.supernet import supernet
from tests.one_shot.problems import problem


def test_the_loss_on_the_validation_part_is_the_task_s_after_the_norms_got_their_statistics():
    torch.set_num_threads(1)
    found = problem(ops.seq(ops.linear(5), ops.norm(), ops.relu(), ops.head()))
    learning = Learning(found.task, found.training, found.device, 0)
    network = supernet(found.space, found.shape, **found.context).path({})
    loss, state = learning.validation_loss(network), learning.generator.get_state()
    assert loss == pytest.approx(learning.metrics(network)["loss"], rel=1e-5)
    assert torch.equal(learning.generator.get_state(), state)
