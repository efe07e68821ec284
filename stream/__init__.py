"""Live funnel tracker: how far actors get, where they drop off, and how sure that is."""
