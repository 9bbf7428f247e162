"""Sections of the model card that only some networks have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optnas.reports.markdown import as_table, as_text
from optnas.reports.numbers import short
from optnas.winner.confusion import confusion_card
from optnas.winner.names import CURVES, MEMBERS

__all__ = ["all_data", "card_parts", "curves"]


def card_parts(record: Mapping[str, Any]) -> str:
    """Return the sections whose figures are in ``record``, the content of ``metrics.json``."""
    return "".join(f"{each}\n\n" for each in _parts(record))


def _parts(record: Mapping[str, Any]) -> Iterator[str]:
    if "ensemble" in record:
        yield f"## Ensemble\n\n{_ensemble(record)}"
    if "baselines" in record:
        yield f"## Beside simple models\n\n{_baselines(record['baselines'])}"
    if "calibration" in record:
        yield f"## Calibration\n\n{_calibration(record['calibration'])}"
    if "confusion" in record:
        part = record["confusion"]["part"]
        yield f"## Classes\n\nOn the {part} part.\n\n{confusion_card(record['confusion'])}"


def curves(record: Mapping[str, Any]) -> str:
    """Return the picture of the learning curves with what it shows; earlier records have none."""
    if not any("losses" in each for each in record["trainings"]):
        return ""
    thick = " the line of the kept seed is thicker," if len(record["seeds"]) > 1 else ""
    return f"\n![Learning curves]({CURVES})\n\nA line for each seed,{thick} and a dot at its best epoch.\n"


def all_data(record: Mapping[str, Any]) -> str:
    """Return a section on the training on all data; nothing if there was none."""
    found = record.get("all_data")
    if found is None:
        return ""
    epochs = ", ".join(f"{each['epochs']} of seed {each['seed']}" for each in found["trainings"])
    return (
        " These trainings chose the number of epochs; then the network was trained once more on the"
        f" {found['samples']:,} samples of training and validation part together, for as many epochs"
        f" ({epochs}). The weights are those of the second training, and so are the test metrics; the"
        " validation metrics are those of the first one."
    )


def _ensemble(record: Mapping[str, Any]) -> str:
    found = record["ensemble"]
    rows = []
    for name in found["validation"]:
        row = [as_text(name)]
        for part in ("validation", "test"):
            known = name in found[part]
            row += [short(record[part][name]["mean"]), short(found[part][name])] if known else ["–", "–"]
        rows.append(row)
    header = ("metric", "members on validation", "ensemble", "members on test", "ensemble")
    of = "probabilities" if "calibration" in record else "values"
    return (
        f"The model is the mean of {len(found['seeds'])} networks, one for each seed, whose weights are in"
        f" `{MEMBERS}`: of their {of}. It takes so many times the costs of one."
        f" Beside the mean of their metrics:\n\n{as_table(header, rows)}"
    )


def _baselines(found: Mapping[str, Any]) -> str:
    left_out = "" if found["left_out"] is None else f"Left out: {as_text(found['left_out'])}."
    if not found["models"]:
        return left_out
    names = dict.fromkeys(n for each in found["models"] for n in (*each["validation"], *each["test"]))
    header = ["model", "samples"]
    for name in names:
        header += [f"{as_text(name)}, validation", "test"]
    rows = []
    for model in found["models"]:
        row = [as_text(model["name"]), f"{model['samples']:,}"]
        for name in names:
            row += [
                short(model[part][name]) if name in model[part] else "–" for part in ("validation", "test")
            ]
        rows.append(row)
    table = as_table(header, rows)
    told = "Models of scikit-learn on the same split, fitted to so many samples of the training part:"
    return f"{told}\n\n{table}" + (f"\n\n{left_out}" if left_out else "")


def _calibration(found: Mapping[str, Any]) -> str:
    temperature = found["temperature"]
    if temperature == 1:
        told = (
            "Probabilities are the softmax of the outputs as they are: no temperature was better on samples"
            " that it was not fitted on."
        )
    else:
        told = (
            f"Outputs are divided by the temperature {short(temperature)} (Guo et al. 2017), which was fitted"
            " on the validation part, by the last layer of the model: probabilities say better how often they"
            " are right, and the likeliest class stays the same."
        )
    rows = [
        (f"{name}, {part}", short(found[part][key]["before"]), short(found[part][key]["after"]))
        for part in ("validation", "test")
        if part in found
        for key, name in (("ece", "expected calibration error"), ("nll", "cross-entropy"))
    ]
    return (
        f"{told} The expected calibration error is the mean distance between the likeliest class's"
        f" probability and how often it is right, in {found['bins']} bins; 0 is best.\n\n"
        + as_table(("", "before", "after"), rows)
    )
