"""Runs all code of a model card as its reader would: in a copy of its folder alone, in fresh processes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["code_in", "run_card"]

# Runs each code that it reads, and says what it printed and the numbers that it computed.
_RUN = """
import contextlib, io, json, sys
import torch
torch.set_num_threads(1)

def plain(each):
    if isinstance(each, dict):
        return {name: plain(one) for name, one in each.items()}
    if isinstance(each, (list, tuple)):
        return [plain(one) for one in each]
    return each.tolist() if hasattr(each, "tolist") else None

results = []
for code in json.load(sys.stdin):
    found, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, found)
    answer = found.get("predictions")
    results.append({
        "printed": printed.getvalue(),
        "output": plain(found.get("output", found.get("outputs"))),
        "predictions": [*answer.shape] if hasattr(answer, "shape") else answer and len(answer),
    })
json.dump(results, sys.stdout)
"""


def code_in(card: str, language: str) -> list[str]:
    """Return the code of a language that stands in a card."""
    return re.findall(rf"^(?:```+){language}\n(.*?)\n```+$", card, re.DOTALL | re.MULTILINE)


def run_card(folder: Path, somewhere: Path, *, commands: bool = False) -> list[dict[str, Any]]:
    """Run all Python code of a folder's card where there is nothing but the folder; return what it came to.

    Args:
        folder: The folder of a trained network.
        somewhere: A directory to copy it to.
        commands: Whether to run the commands in it first, which may add code.
    """
    alone = somewhere / "moved" / "network"
    shutil.rmtree(alone, ignore_errors=True)
    shutil.copytree(folder, alone)
    if commands:
        for command in code_in((alone / "README.md").read_text(encoding="utf-8"), "sh"):
            words = command.split()
            assert words.pop(0) == "optnas", command
            _succeed([sys.executable, "-m", "optnas.cli", *words], alone)
    codes = code_in((alone / "README.md").read_text(encoding="utf-8"), "python")
    assert codes
    found: list[dict[str, Any]] = json.loads(_succeed([sys.executable, "-c", _RUN], alone, json.dumps(codes)))
    assert all(each["printed"].strip() for each in found)
    return found


def _succeed(command: list[str], folder: Path, given: str = "") -> str:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
