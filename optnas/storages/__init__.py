"""Storages: opening one by its URL, waiting for it, locks over all machines that share it."""
