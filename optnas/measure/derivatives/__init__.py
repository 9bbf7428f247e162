"""Metrics of a trained network that its derivatives tell.

``lipschitz`` and ``lipschitz_lower`` enclose its Lipschitz constant, ``sharpness`` is the curvature of the
loss, and ``margin_bound`` the leading term of a bound of its generalisation. Read ``measured.py`` first.
"""
