"""Notes, figures and artifacts as optuna-dashboard keeps them: in system attributes of the study.

Written without optuna-dashboard, whose import takes longer than most trials, and without reading anything
again: a new note is one more row, not all notes of the study. Formats are those of its version 0.21.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["artifact_attributes", "figure_attributes", "is_noted", "note_attributes", "note_of"]

Attributes = Mapping[str, Any]

_PART = 2045
_PLOT = "dashboard:plot_data:"
# Markdown shows nothing of it: it defines a link that nobody uses.
_MARK = "\n\n[optnas]: # ({})"
_MARKED = re.compile(re.escape(_MARK.format("§")).replace("§", "([0-9a-f]{12})") + r"\s*\Z")


def note_of(attributes: Attributes, trial_id: int | None = None) -> str | None:
    """Return the note of a study or of a trial; ``None`` if none was ever written, or it is damaged."""
    return _joined(attributes, f"{_place(trial_id)}note_str:") if is_noted(attributes, trial_id) else None


def is_noted(attributes: Attributes, trial_id: int | None = None) -> bool:
    """Return whether a note was ever written; it may be empty by now."""
    return f"{_place(trial_id)}note_ver" in attributes


def note_attributes(attributes: Attributes, body: str, trial_id: int | None = None) -> dict[str, Any]:
    """Return the attributes to write for a note; none if it is there, or if a person wrote or changed one.

    A note that this function made is known by a digest of it in its last line.

    Args:
        attributes: All system attributes of the study.
        body: The note, in Markdown.
        trial_id: The trial's id in the storage; ``None`` for the note of the study.
    """
    place = _place(trial_id)
    before, version = note_of(attributes, trial_id), attributes.get(f"{place}note_ver", 0)
    marked = body + _MARK.format(_digest(body))
    if before == marked or not isinstance(version, int):
        return {}
    if before is not None or version:
        mark = _MARKED.search(before or "")
        if mark is None or mark[1] != _digest((before or "")[: mark.start()]):
            return {}
    # The version last: where attributes are written one by one, a note of which not all is there is none yet.
    return {**_parts(attributes, marked, f"{place}note_str:"), f"{place}note_ver": version + 1}


def figure_attributes(attributes: Attributes, name: str, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes to write for a figure of the study, those that change.

    Args:
        attributes: All system attributes of the study.
        name: Its name, of letters, digits and hyphens.
        drawn: The figure as plotly's JSON.
    """
    found = _parts(attributes, json.dumps(drawn, separators=(",", ":")), f"{_PLOT}{name}:")
    return {key: part for key, part in found.items() if attributes.get(key) != part}


def artifact_attributes(trial_id: int, artifact: str, file: str, kind: str) -> dict[str, Any]:
    """Return the attribute of an artifact of a trial.

    Args:
        trial_id: The trial's id in the storage.
        artifact: The artifact's id in its store.
        file: Its name.
        kind: Its MIME type.
    """
    about = {"artifact_id": artifact, "filename": file, "mimetype": kind, "encoding": None}
    return {f"dashboard:artifacts:{trial_id}:{artifact}": json.dumps(about)}


def _place(trial_id: int | None) -> str:
    return "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()[:12]


def _joined(attributes: Attributes, prefix: str) -> str | None:
    parts: list[str] = []
    while (part := attributes.get(f"{prefix}{len(parts)}")) is not None:
        if not isinstance(part, str):
            return None
        parts.append(part)
    return "".join(parts)


def _parts(attributes: Attributes, text: str, prefix: str) -> dict[str, Any]:
    """Return a text in parts, and an empty one in place of each that was there beyond them."""
    parts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
    while f"{prefix}{len(parts)}" in attributes:
        parts.append("")
    return {f"{prefix}{i}": part for i, part in enumerate(parts)}
