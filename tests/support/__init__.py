"""Builders, the exhaustive oracle and outside opinions that tests compare the product with."""
