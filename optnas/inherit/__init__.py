"""Weights handed down: a trial begins with the weights of its parent, or of the study's supernet."""
