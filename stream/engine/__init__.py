"""The funnel engine: (actor state, events) to (actor state, what changed). Pure."""
