"""The model card shows the texts of studies as they are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from optnas.answers import Classes, Outputs
from optnas.data.schemas import Arrays, Ids, Several
from optnas.reports.markdown import as_table
from optnas.winner.card import model_card

SCHEMA, ANSWER = Arrays((1, 8, 8)), Classes(("0", "1"))

RECORD: dict[str, Any] = {
    "study": "my_study-2",
    "trial": 3,
    "task": "classification",
    "architecture": "seq(conv(4), head)",
    "own_ops": {},
    "costs": {"flops": 10},
    "samples": {"train": 10},
    "settings": {
        "architecture": "seq(conv(4), head)",
        "data": "digits",
        "score": "accuracy",
        "crop": 0,
        "padding": 1,
        "optimizer": "adam",
    },
    "seeds": [0],
    "weights_of_seed": 0,
    "trainings": [{"seed": 0, "epoch": 1, "curve": [1], "ended": "all epochs", "seconds": 1.0}],
    "validation": {"accuracy": {"mean": 0.5, "deviation": None}},
    "test": {},
}


def test_plain_names_stand_in_a_card_as_they_are() -> None:
    card = model_card(RECORD, SCHEMA, ANSWER, Path("runs/my_study-3"))
    for told in (
        "# my_study-3\n",
        "in trial 3 of the study *my_study-2*.",
        "data set *digits*:",
        "\n```\nseq(",
    ):
        assert told in card
    assert "\\" not in card


def test_a_name_that_is_markup_is_shown_and_does_nothing() -> None:
    record = copy.deepcopy(RECORD)
    name = "*x* <img src=x onerror=alert(1)> [a](javascript:b) | &lt; \x1b[2J\n# y"
    record["study"] = record["settings"]["data"] = record["settings"]["optimizer"] = name
    record["architecture"] = 'seq(own(text="```\n<script>"))'
    record["settings"]["score"] = "acc` <b>"
    record["costs"] = record["validation"] = {}
    card = model_card(record, SCHEMA, Classes((name,)), Path("runs/<b>"))
    assert "\x1b" not in card
    shown = "\\*x\\* \\<img src=x onerror=alert(1)> [a\\](javascript:b) \\| \\&lt; ␛[2J␊# y"
    assert card.count(shown) == 4
    assert '\n````\nseq(own(text="```␊<script>"))\n````\n' in card
    assert "`acc' <b>`" in card
    assert "# \\<b>" in card


def test_a_card_says_what_goes_in_and_shows_a_call_with_it() -> None:
    record = copy.deepcopy(RECORD)
    schema = Several({"source": Ids((16,), 9), "t": Ids((), 3)})
    record |= {"task": "anomaly detection", "batches_made": 1234}
    card = model_card(record, schema, Outputs(), Path("runs/a"))
    for told in (
        "A network for the task *anomaly detection* on the data set",
        "source: ids, whole numbers from 0 to 9, of the shape (samples, 16); t: ids, whole",
        "made in training, 1,234 batches an epoch",
        "model.predict({'source': np.zeros((1, 16,), np.int64), 't': np.zeros((1,), np.int64)})\n",
    ):
        assert told in card
    plain = model_card(RECORD, SCHEMA, ANSWER, Path("runs/a"))
    assert "batches" not in plain
    assert "predictions = model.predict(" in plain


def test_columns_of_numbers_alone_are_flush_right() -> None:
    rows = [
        ("0", "0.9359 ± 0.0079", "0.9 to 1", "–", "6 (all epochs)", "1e-07"),
        ("1", "-2", "−3", "1,078", "7", "x1"),
    ]
    told = as_table(("class", "a", "b", "c", "d", "e"), rows)
    assert told.splitlines()[1] == "| :--- | ---: | ---: | ---: | :--- | :--- |"
    assert as_table(("class", "a"), []).splitlines()[1] == "| :--- | :--- |"
