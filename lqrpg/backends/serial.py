"""All work in this process, one chunk after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lqrpg.backends.base import Report, Work


class SerialBackend:
    """Run every chunk in this process."""

    def map(
        self, function: Callable[[Work], Report], chunks: Sequence[Work], last: Sequence[Work] = ()
    ) -> Iterator[Report]:
        """Reports in the order of the chunks."""
        return map(function, [*chunks, *last])

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk."""
        return function(chunk)
