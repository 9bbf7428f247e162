"""A storage behind Optuna's gRPC proxy (``optnas storage-proxy``)."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.storages import GrpcStorageProxy

from optnas.storages.guarded import Guarded, guarded
from optnas.storages.waiting import Guard
from optnas.trials.optuna_internals import set_channel

__all__ = ["KEEPALIVE", "Proxy"]

KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
"""Options of a channel: both ends notice within 20 seconds that the other is gone."""


@guarded
class Proxy(Guarded, GrpcStorageProxy):
    """Optuna's ``GrpcStorageProxy``, each operation of which goes through a :class:`Guard`.

    Args:
        host: The server's host.
        port: Its port.
        guard: The guard.
    """

    def __init__(self, host: str, port: int, guard: Guard) -> None:
        import grpc

        Guarded.__init__(self, guard)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            GrpcStorageProxy.__init__(self, host=host, port=port)
        self.close()
        # Optuna's own would wait for ever for an answer over a link that is cut, and up to two minutes before
        # it tries to connect again.
        again = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 2_000)]
        self.channel = grpc.insecure_channel(f"{host}:{port}", options=[*KEEPALIVE, *again])
        set_channel(self, self.channel)
