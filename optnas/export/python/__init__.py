"""Trained networks as plain PyTorch source, for people who want to own the code.

``origins`` builds the network again and notes what each module was built for; ``translate`` and ``branching``
write modules as ``code``; ``factor`` makes functions and classes of what repeats; ``layout`` and ``write``
make a file of that, and ``weights`` names the weights as it does.
"""

from optnas.export.python.code import CannotExport
from optnas.export.python.export import Written, python_source, refusal, run_written, written_network

__all__ = ["CannotExport", "Written", "python_source", "refusal", "run_written", "written_network"]
