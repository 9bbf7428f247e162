"""Trainings at once in threads of one process draw the numbers that each would draw alone."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time

import pytest
import torch

import optnas.turn
from optnas import Training, data, ops, tasks
from optnas.train import fit, lanes
from optnas.train.device_share import Place
from optnas.train.loop import evaluate
from optnas.train.precision import in_tf32, tf32_flags

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def in_threads(*calls, device=CPU, turn=lanes.turn):
    """Call each in a lane of its own, all at once, and return what they returned."""
    found = [None] * len(calls)

    def run(place, call):
        with lanes.in_lane(device), turn():
            found[place] = call()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def trained(seed, epochs=6, device=CPU, task=None):
    task = task or tasks.classification(data.digits())
    network = ops.seq(ops.flatten(), ops.linear(16), ops.relu(), ops.dropout(0.3), ops.head())
    torch.manual_seed(seed)
    module = network.build(task.data.shape, **task.context)
    training = Training(epochs=epochs, batch_size=32, lr=1e-2, flip=True, device=str(device))
    return fit(module, task, training, device=device, seed=seed)


def test_trainings_at_once_have_the_very_values_that_each_has_alone(monkeypatch):
    alone = [in_threads(lambda seed=seed: trained(seed))[0] for seed in range(3)]
    monkeypatch.setattr(optnas.turn, "_SLICE_SECONDS", 0.0)  # after every step
    passed = []
    give = optnas.turn._give
    monkeypatch.setattr(optnas.turn, "_give", lambda: (passed.append(threading.get_ident()), give())[1])
    together = in_threads(*(lambda seed=seed: trained(seed) for seed in range(3)))
    assert together == alone
    # They did run at once: each had others between its steps.
    assert sum(one != other for one, other in itertools.pairwise(passed)) > 100


def test_random_numbers_and_precision_flags_are_those_of_whoever_has_the_turn():
    def drawn(seed, allowed):
        found = []
        torch.manual_seed(seed)
        with in_tf32(allowed):
            for _ in range(20):
                found.append(torch.rand(()).item())
                found += [getattr(owner, name) for owner, name in tf32_flags()]
                with lanes.lent():
                    time.sleep(0.001)
        return found

    alone = [drawn(1, True), drawn(2, False)]
    assert in_threads(lambda: drawn(1, True), lambda: drawn(2, False)) == alone


def test_lanes_get_the_turn_in_the_order_in_which_they_came(monkeypatch):
    monkeypatch.setattr(optnas.turn, "_SLICE_SECONDS", 0.0)
    order = []

    def steps():
        for _ in range(50):
            order.append(threading.get_ident())
            time.sleep(0.0005)
            lanes.pass_on()

    in_threads(steps, steps, steps)
    # While all three run none has two turns before the others have one.
    middle = order[15:120]
    assert all(len(set(middle[i : i + 3])) == 3 for i in range(len(middle) - 2))


def test_an_error_gives_the_turn_back():
    def fails():
        raise ValueError("of a lane")

    def caught():
        with pytest.raises(ValueError, match="of a lane"), lanes.turn():
            fails()
        return True

    def outer():
        with lanes.lent():
            return caught()

    assert in_threads(outer, outer, outer) == [True] * 3


def test_memory_is_freed_in_a_turn_and_a_place_is_waited_for_without(tmp_path):
    turns = []

    def alone():
        place = Place("gpu", tmp_path, clear=lambda: turns.append(optnas.turn._here.has_turn))
        with place, lanes.turn():
            place.alone()
            time.sleep(0.05)
            return optnas.turn._here.has_turn

    assert in_threads(alone, alone, alone, turn=contextlib.nullcontext) == [True] * 3
    assert turns == [True] * 6


def test_outside_of_lanes_it_does_nothing():
    assert not lanes.is_lane()
    with lanes.turn(), lanes.lent():
        lanes.pass_on()
    assert lanes.lane_stream() is None


def test_while_the_results_of_an_evaluation_are_waited_for_others_have_the_turn():
    """A stream stands for the GPU's: it has done its work once another lane had the turn."""
    other_had_it, waits = threading.Event(), threading.Event()
    task = tasks.classification(data.digits())
    module = ops.seq(ops.flatten(), ops.head()).build(task.data.shape, **task.context)

    class Stream:
        def synchronize(self):
            waits.set()
            assert other_had_it.wait(30)

    def evaluates():
        lanes._here.stream = Stream()
        splits = task.data.splits
        return evaluate(module, task, splits.validation, splits.prepare)

    def other():
        with lanes.lent():
            assert waits.wait(30)
        other_had_it.set()
        return True

    metrics, had_it = in_threads(evaluates, other)
    assert had_it
    assert metrics["loss"] > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnCuda:
    def test_graphs_with_dropout_draw_what_each_draws_alone(self):
        device = torch.device("cuda", 0)
        task = tasks.classification(data.digits())
        task.data.on(device)
        torch.cuda.synchronize()

        def calls():
            return [lambda seed=seed: trained(seed, 20, device, task) for seed in range(8)]

        alone = [in_threads(call, device=device)[0] for call in calls()]
        for _ in range(3):
            assert in_threads(*calls(), device=device) == alone

    def test_each_lane_has_a_stream_and_a_generator_of_its_own(self):
        device = torch.device("cuda", 0)

        def drawn(seed):
            torch.manual_seed(seed)
            found = []
            for _ in range(10):
                found.append(torch.rand((), device=device).item())
                with lanes.lent():
                    time.sleep(0.001)
            return found, lanes.lane_stream().cuda_stream, torch.cuda.current_stream().cuda_stream

        alone = [in_threads(lambda seed=seed: drawn(seed), device=device)[0][0] for seed in (1, 2)]
        together = in_threads(lambda: drawn(1), lambda: drawn(2), device=device)
        assert [numbers for numbers, _, _ in together] == alone
        assert all(stream == current != 0 for _, stream, current in together)
        assert together[0][1] != together[1][1]
