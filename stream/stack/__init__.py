"""Local Kafka, Redis and Prometheus for demo, tests and benchmarks; see `Stack`."""

from stream.stack.running import ServiceStatus, Stack, StackStatus

__all__ = ["ServiceStatus", "Stack", "StackStatus"]
