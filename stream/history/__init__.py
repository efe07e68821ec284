"""The past into Prometheus: OpenMetrics files, or remote write. Edges; what the samples are says `metrics.history`."""
