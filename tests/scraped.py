"""What was scraped, read as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """`families` are the metrics by name, without a counter's `_total`."""

    def __init__(self, body: bytes) -> None:
        self.families: dict[str, Metric] = {
            family.name: family for family in text_string_to_metric_families(body.decode())
        }
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """That of one sample; None where there is none."""
        return self._values.get((name, frozenset(labels.items())))

    def values(self, name: str, by: str, **labels: str) -> dict[str, float]:
        """Those of all samples of a name with these labels, by the value of one more."""
        return {
            dict(of)[by]: value
            for (each, of), value in self._values.items()
            if each == name and labels.items() <= dict(of).items() and by in dict(of)
        }

    def labels(self, label: str) -> set[str]:
        """All values of that label."""
        return {value for _, of in self._values for name, value in of if name == label}
