"""Rollups and process numbers become Prometheus text and Grafana dashboards; no number is decided here."""
