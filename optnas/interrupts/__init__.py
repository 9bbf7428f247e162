"""Ctrl-C and signals: a command that starts ends at once, and one that runs puts back what it holds first.

Nothing here imports PyTorch, as it is in force before that is.
"""
