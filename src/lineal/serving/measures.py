"""What a service says of itself in Prometheus' text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency histogram, seconds."""


class Measures:
    """Counters and one histogram; used by the event loop only."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        self.predictions = 0
        self.batches = 0
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def observe(self, status: int, seconds: float) -> None:
        """Counts one request to ``/predict``."""
        self.requests[status] += 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def text(self, *, model: str, rejected: Mapping[str, int], waiting: int, written: int, healthy: bool) -> str:
        """Everything, in Prometheus' text format, version 0.0.4."""
        label = f'model="{_escaped(model)}"'
        lines = ["# HELP lineal_requests_total Requests for predictions, by status.", "# TYPE lineal_requests_total counter"]
        lines += [f'lineal_requests_total{{{label},status="{status}"}} {count}' for status, count in sorted(self.requests.items())]
        lines += ["# HELP lineal_request_seconds Time to answer.", "# TYPE lineal_request_seconds histogram"]
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'lineal_request_seconds_bucket{{{label},le="{bound}"}} {total}')
        lines += [f"lineal_request_seconds_sum{{{label}}} {self._seconds:.6f}", f"lineal_request_seconds_count{{{label}}} {total}"]
        lines += ["# HELP lineal_rejected_total Requests refused, by reason.", "# TYPE lineal_rejected_total counter"]
        lines += [f'lineal_rejected_total{{{label},reason="{_escaped(reason)}"}} {count}' for reason, count in sorted(rejected.items())]
        for name, kind, help_text, value in (
            ("lineal_predictions_total", "counter", "Rows answered.", self.predictions),
            ("lineal_batches_total", "counter", "Calls of the model; requests that come together share one.", self.batches),
            ("lineal_capture_written_total", "counter", "Predictions on disk.", written),
            ("lineal_capture_waiting", "gauge", "Predictions answered and not on disk yet.", waiting),
            ("lineal_capture_healthy", "gauge", "Whether the last write of predictions succeeded.", int(healthy)),
        ):
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name}{{{label}}} {value}"]
        return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
