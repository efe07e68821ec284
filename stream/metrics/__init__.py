"""Rollups and process numbers become Prometheus text; no number is decided here."""
