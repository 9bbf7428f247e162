"""The metadata at the head of a model card, as the Hugging Face Hub reads it.

See https://huggingface.co/docs/hub/model-cards#model-card-metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["front_matter"]

# Identifiers of https://huggingface.co/docs/hub/repositories-licenses; another one is "other", with its name.
_LICENSES = (
    "afl-3.0", "agpl-3.0", "apache-2.0", "apple-ascl", "artistic-2.0", "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0",
    "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "creativeml-openrail-m", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2",
    "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "lppl-1.3c",
    "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1", "openrail", "openrail++", "osl-3.0",
    "other", "pddl", "postgresql", "unknown", "unlicense", "wtfpl", "zlib",
)  # fmt: skip
_TASKS = {
    ("table", "classes"): "tabular-classification",
    ("table", "values"): "tabular-regression",
    ("pictures", "classes"): "image-classification",
    ("pictures", "pixels"): "image-segmentation",
    ("pictures", "boxes"): "object-detection",
    ("series", "forecast"): "time-series-forecasting",
    ("texts", "continuation"): "text-generation",
    ("sequences", "decoded"): "translation",
}


def front_matter(record: Mapping[str, Any], name: str, kinds: tuple[str, str]) -> str:
    """Return the metadata of a card in YAML, between its two lines of hyphens.

    Args:
        record: What ``metrics.json`` says of the network.
        name: The network's name.
        kinds: The kind of its inputs and of its answers, as their records name them.
    """
    import yaml

    stated = record.get("card", {})
    found: dict[str, Any] = {**_license(stated.get("license", "")), "library_name": "optnas"}
    if "language" in stated:
        found["language"] = list(stated["language"])
    found["tags"] = ["optnas", "neural-architecture-search", *stated.get("tags", ())]
    if "datasets" in stated:
        found["datasets"] = list(stated["datasets"])
    found["metrics"] = list(record["validation"])
    pipeline = _TASKS.get(kinds)
    if pipeline is not None:
        found["pipeline_tag"] = pipeline
    if results := {n: each["mean"] for n, each in record["test"].items()}:
        task = {"type": pipeline or "other", "name": record["task"]}
        ids = stated.get("datasets", ())
        data = {"type": ids[0] if ids else "other", "name": record["settings"]["data"], "split": "test"}
        metrics = [{"type": n, "value": float(f"{value:.6g}")} for n, value in results.items()]
        found["model-index"] = [
            {"name": name, "results": [{"task": task, "dataset": data, "metrics": metrics}]}
        ]
    return f"---\n{yaml.safe_dump(found, sort_keys=False, allow_unicode=True)}---\n"


def _license(stated: str) -> dict[str, str]:
    if not stated:
        return {}
    known = stated.strip().lower()
    if known in _LICENSES:
        return {"license": known}
    return {"license": "other", "license_name": re.sub(r"[^\w.+-]+", "-", known).strip("-") or "other"}
