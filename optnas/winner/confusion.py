"""Which classes a classifier takes for which: the confusion matrix, and the scores of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from optnas.reports.markdown import as_table, as_text
from optnas.reports.numbers import short

__all__ = ["confusion_card", "confusion_record"]

# A record of more would be megabytes of zeros.
_MOST_RECORDED = 200
_MOST_LISTED = 1000
# Of more classes a reader has the worst alone.
_MOST_SHOWN = 20


def confusion_record(outputs: Tensor, targets: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Return the confusion matrix with precision, recall, F1 and support of each class, as JSON has it.

    ``confused`` lists the largest numbers beside the diagonal: true class, predicted class and samples, by
    the classes' places in ``names``. ``matrix`` has a row for each true class; it is left out of records of
    more than 200 classes. A score that would divide by 0 is 0.

    Args:
        outputs: Logits (samples, classes).
        targets: Classes (samples,).
        names: The names of the classes.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    places = np.arange(len(names))
    truth, found = targets.numpy(), outputs.argmax(dim=1).numpy()
    matrix = confusion_matrix(truth, found, labels=places)
    scores = precision_recall_fscore_support(truth, found, labels=places, zero_division=0.0)
    apart = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-apart, axis=None, kind="stable")[:_MOST_LISTED]
    confused = [(*divmod(int(place), len(names)), int(apart.flat[place])) for place in order]
    return {
        "classes": [
            {"name": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(names, *scores, strict=True)
        ],
        **({"matrix": matrix.tolist()} if len(names) <= _MOST_RECORDED else {}),
        "confused": [list(each) for each in confused if each[2]],
    }


def confusion_card(record: Mapping[str, Any]) -> str:
    """Return the Markdown of what :func:`confusion_record` returned: tables of scores and confusions.

    Of more than 20 classes these are the classes of the least F1, and the most frequent confusions.
    """
    classes = record["classes"]
    names = [as_text(each["name"]) for each in classes]
    few = len(classes) <= _MOST_SHOWN
    shown = classes if few else sorted(classes, key=lambda each: float(each["f1"]))[:_MOST_SHOWN]
    scores = as_table(
        ("class", "precision", "recall", "F1", "samples"),
        [
            (as_text(c["name"]), *(short(c[name]) for name in ("precision", "recall", "f1", "support")))
            for c in shown
        ],
    )
    if few:
        told = "Rows are true classes, columns predicted ones:"
        rows = zip(names, record["matrix"], strict=True)
        table = as_table(("", *names), [(name, *row) for name, row in rows])
    elif not record["confused"]:
        return scores
    else:
        scores = f"The {_MOST_SHOWN} of {len(classes)} classes with the least F1:\n\n{scores}"
        told = "The most frequent confusions:"
        worst = record["confused"][:_MOST_SHOWN]
        table = as_table(
            ("true class", "taken for", "samples"), [(names[i], names[j], count) for i, j, count in worst]
        )
    return f"{scores}\n\n{told}\n\n{table}"
