"""Alert rules for Prometheus, from the funnels and the tracker's settings."""
