"""Optuna's journal in a Redis server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning
from optuna.storages.journal import JournalRedisBackend

from optnas.errors import StorageError
from optnas.storages.journal import parsed
from optnas.trials.optuna_internals import set_redis_client

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisJournal"]

_ANSWER_SECONDS = 10.0
_RECORDS_AT_ONCE = 1000
_APPEND = """
redis.call('setnx', ':log_number', -1)
for _, record in ipairs(ARGV) do
    redis.call('set', string.format(':log:%d', redis.call('incr', ':log_number')), record)
end
"""


class RedisJournal(JournalRedisBackend):
    """Records of Optuna's ``JournalStorage`` in Redis, as its ``JournalRedisBackend`` writes them.

    It reads many at once, and notices a server that does not answer and records that are gone.

    Args:
        url: Such as ``redis://:password@host:6379/0``.
    """

    def __init__(self, url: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(url)
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            socket_keepalive=True,
            # An append whose answer was lost is not repeated unseen; who asked for it knows better.
            retry=Retry(NoBackoff(), 0),
        )
        set_redis_client(self, self.client)

    def is_there(self) -> bool:
        """Return whether a journal was begun."""
        return bool(self.client.exists(":log_number"))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, as a whole or not at all."""
        self.client.eval(_APPEND, 0, *map(json.dumps, logs))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the records from number ``log_number_from`` on.

        Raises:
            StorageError: If one is gone or damaged.
        """
        last = self.client.get(":log_number") or b"-1"
        try:
            end = int(last) + 1
        except ValueError:
            raise StorageError("the journal in the Redis server is damaged: put a copy back") from None
        if end < log_number_from:
            raise StorageError("the Redis server lost records of the journal: it keeps fewer than were read")
        for start in range(log_number_from, end, _RECORDS_AT_ONCE):
            numbers = range(start, min(start + _RECORDS_AT_ONCE, end))
            records = self.client.mget([f":log:{number}" for number in numbers])
            for number, record in zip(numbers, records, strict=True):
                if record is None:
                    raise StorageError(
                        f"record {number} of the journal is gone from the Redis server: let it evict nothing"
                        " (maxmemory-policy noeviction), and put a copy back"
                    )
                read = parsed(record)
                if read is None:
                    raise StorageError(
                        f"record {number} of the journal in the Redis server is damaged: put a copy back"
                    )
                yield read
