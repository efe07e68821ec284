"""Four Grafana dashboards from one description: what each panel asks, and the JSON files that say so.

In:  the funnels' definitions and the settings' windows.
Out: grafana/dashboards/*.json (`funnel dashboards`).
"""
