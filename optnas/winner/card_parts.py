"""Sections of the model card that only some networks have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optnas.reports.markdown import as_table
from optnas.reports.numbers import short
from optnas.winner.confusion import confusion_card
from optnas.winner.names import CURVES

__all__ = ["card_parts", "curves"]


def card_parts(record: Mapping[str, Any]) -> str:
    """Return the sections that ``record``, the content of ``metrics.json``, has something for."""
    return "".join(f"{each}\n\n" for each in _parts(record))


def _parts(record: Mapping[str, Any]) -> Iterator[str]:
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
