"""Sequence to sequence: teacher forcing, greedy and beam search."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import Tensor, nn

from optnas import UserError, data, parse, tasks
from optnas.data.pairs import BEGIN, END
from optnas.train import Training, fit

CPU = torch.device("cpu")


def reversals(samples: int = 300) -> data.Pairs:
    """Return texts of up to four letters and the same texts backwards."""
    rng = random.Random(0)
    said = ["".join(rng.choices("abc", k=rng.randrange(1, 5))) for _ in range(samples)]
    return data.pairs(said, [text[::-1] for text in said], name="reversals")


class Chances(nn.Module):
    """Network whose logits at a position depend on the token before it alone, by a table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return self.table[x["target"].long()]


def test_inputs_are_the_source_and_the_target_shifted_right() -> None:
    made = data.pairs([["x", "y"], ["y"]] * 10, [["y"], ["x", "x", "y"]] * 10)
    assert made.words == ("<padding>", "<begin>", "<end>", "x", "y")
    assert dict(made.shape) == {"source": (3,), "target": (4,)}
    assert made.outputs == 5
    split = made.splits.train
    for source, target, y in zip(split.x["source"], split.x["target"], split.y, strict=True):
        if source.tolist() == [3, 4, END]:
            assert target.tolist() == [BEGIN, 4, END, 0]
            assert y.tolist() == [4, END, -1, -1]
        else:
            assert source.tolist() == [4, END, 0]
            assert target.tolist() == [BEGIN, 3, 3, 4]
            assert y.tolist() == [3, 3, 4, END]


def test_a_beam_as_wide_as_all_hypotheses_finds_the_likeliest_of_all() -> None:
    never = [0.2] * 5  # rows of tokens that nothing goes on from
    # The likelier beginning, 3, goes on in any way; 4 nearly always ends.
    chances = torch.tensor(
        [never, [0, 0, 0, 0.55, 0.45], never, [0, 0, 0.3, 0.4, 0.3], [0, 0, 0.9, 0.04, 0.06]]
    ).log()
    length = 4
    every = [
        (*words, END) for count in range(length) for words in itertools.product((3, 4), repeat=count)
    ] + list(itertools.product((3, 4), repeat=length))

    def mean(sequence: tuple[int, ...]) -> float:
        return sum(chances[a, b].item() for a, b in itertools.pairwise((BEGIN, *sequence))) / len(sequence)

    best = max(every, key=mean)
    source = torch.zeros(2, 3, dtype=torch.int32)
    found = tasks.beam_search(Chances(chances), source, length, beams=40)
    assert found.tolist() == [[*best, *[0] * (length - len(best))]] * 2
    greedy, before = [], BEGIN
    while len(greedy) < length and before != END:
        before = int(chances[before].argmax())
        greedy.append(before)
    one = tasks.beam_search(Chances(chances), source, length, beams=1)
    assert one.tolist() == [[*greedy, *[0] * (length - len(greedy))]] * 2
    assert mean(best) > mean(tuple(greedy))


def test_a_longer_sequence_is_not_less_likely_for_its_length() -> None:
    never = [0.2] * 5
    # To end at once has half of the chances; a sequence of 3 has a little less, in four tokens.
    chances = torch.tensor([never, [0, 0, 0.51, 0.49, 0], never, [0, 0, 0.01, 0.99, 0], never]).log()
    source = torch.zeros(1, 3, dtype=torch.int32)
    assert tasks.beam_search(Chances(chances), source, 4, beams=2).tolist() == [[3, 3, 3, 3]]
    assert tasks.beam_search(Chances(chances), source, 4, beams=1).tolist() == [[END, 0, 0, 0]]


def test_hypotheses_are_pruned_by_their_mean_and_not_by_their_sum() -> None:
    never = [0.2] * 5
    # To end at once, 0.45, is likelier than (3, 4) as a whole, 0.55 · 0.49, but not a token of it: of two
    # hypotheses that are kept, (3, 4) is one, and goes on nearly without loss.
    chances = torch.tensor(
        [never, [0, 0, 0.45, 0.55, 0], never, [0, 0, 0.01, 0.5, 0.49], [0, 0, 0.01, 0, 0.99]]
    ).log()
    source = torch.zeros(1, 3, dtype=torch.int32)
    assert tasks.beam_search(Chances(chances), source, 4, beams=2).tolist() == [[3, 4, 4, 4]]


def test_reversing_is_learned_and_generated_without_the_true_tokens() -> None:
    task = tasks.seq2seq(reversals(), metrics=["beam_exact"])
    task.check()
    torch.manual_seed(0)
    module = parse(
        "seq(concat(seq(input('source'), embedding(16), gru(16, bidirectional=True)),"
        " seq(input('target'), embedding(8))), gru(32), lm_head)"
    ).build(task.data.shape, **task.context)
    training = Training(epochs=12, batch_size=16, lr=2e-2, schedule="cosine")
    found = fit(module, task, training, device=CPU, seed=0)
    assert found["exact"] > 0.8
    assert found["beam_exact"] > 0.8
    assert found["bleu"] > 0.5
    assert task.at_chance(found) is None
    copied = task.baselines()["copying the source"]
    assert copied["exact"] < 0.5
    assert "at chance" in (task.at_chance(task.chance) or "")
    # What is generated does not see the target that it is measured against.
    part = task.data.splits.validation
    true = tasks.beam_search(module, part.x["source"], 5, beams=1)
    assert ((true == part.y) | (part.y < 0)).all(dim=1).float().mean().item() == pytest.approx(found["exact"])


def test_beam_search_is_measured_only_if_asked_for() -> None:
    task = tasks.seq2seq(reversals())
    assert task.measuring(["beam_bleu"]).asked == {"beam_bleu"}
    module = Chances(torch.zeros(6, 6))
    batches = type("Batches", (), {})()

    class All:
        targets = task.data.splits.validation.y

        def __iter__(self):
            return iter([(task.data.splits.validation.x, self.targets)])

    batches = All()
    assert task.evaluate(module, batches).keys() == {"loss", "bleu", "exact"}
    assert task.measuring(["beam_bleu"]).evaluate(module, batches).keys() == set(task.metrics)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tasks.seq2seq(data.sklearn("iris")).check(), "make them with data.pairs"),
        (lambda: tasks.seq2seq(data.pairs(["a"] * 9, ["b"] * 8)).check(), "9 sources and 8 targets"),
        (lambda: tasks.seq2seq(data.pairs([[["a"]]] * 9, ["b"] * 9)).check(), "sequences are of words"),
        (lambda: tasks.seq2seq(reversals(), beams=0), "from 1 to 10,000"),
        (lambda: tasks.seq2seq(reversals(), metrics=["blue"]), "did you mean 'bleu'|bleu"),
    ],
)
def test_what_does_not_fit_is_told(make, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()
