"""Placing workers on machines: each engine starts and restarts the same stateless ``optnas run``.

What a study has done stands in its storage alone, so an engine may end and restart a worker at any moment.
"""
