"""The live numbers in a terminal, as a worker or `funnel serve` tells them over the JSON API."""
