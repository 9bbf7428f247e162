"""Confusions and scores of classes, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from optnas.winner.confusion import confusion_card, confusion_record


def test_the_matrix_and_the_scores_are_those_that_are_counted_by_hand() -> None:
    truth = torch.tensor([0, 0, 0, 1, 1, 2])
    found = torch.tensor([0, 0, 1, 1, 0, 0])
    record = confusion_record(one_hot(found, 4).float(), truth, ("a", "b", "c|", "none"))
    assert record["matrix"] == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    first, _, third, last = record["classes"]
    assert first == {
        "name": "a",
        "precision": pytest.approx(2 / 4),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 * 2 / (3 + 4)),
        "support": 3,
    }
    assert (third["precision"], third["recall"], third["f1"], third["support"]) == (0, 0, 0, 1)
    assert last["support"] == 0
    assert sorted(map(tuple, record["confused"])) == [(0, 1, 1), (1, 0, 1), (2, 0, 1)]
    card = confusion_card(record)
    assert "| a | 2 | 1 | 0 | 0 |" in card
    assert "| c\\| | 1 | 0 | 0 | 0 |" in card
    assert "| a | 0.5000 | 0.6667 | 0.5714 | 3 |" in card


def test_of_many_classes_the_card_has_the_worst() -> None:
    truth = torch.arange(300).repeat(4)
    found = truth.clone()
    found[5], found[305], found[9] = 7, 7, 3
    record = confusion_record(one_hot(found, 300).float(), truth, [f"c{i}" for i in range(300)])
    assert "matrix" not in record
    assert record["confused"] == [[5, 7, 2], [9, 3, 1]]
    card = confusion_card(record)
    assert "| c5 | c7 | 2 |\n| c9 | c3 | 1 |" in card
    assert "The 20 of 300 classes with the least F1:" in card
    assert card.index("| c5 | 1 | 0.5000 |") < card.index("| c9 |")
    assert "c200" not in card
