"""The seeded traffic of a web shop: for demos, tests and benchmarks."""
