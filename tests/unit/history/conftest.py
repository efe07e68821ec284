"""A past of a few instants, made of lines as a page has them."""

import pytest

from stream.metrics import names
from stream.metrics.history import PastSeries

LABELS = {"funnel": "shop", "version": "1", "job": "funnel", "instance": "history"}


@pytest.fixture
def series():
    """Make a series of a family; the same one for the same labels."""
    known = {}

    def of(family=names.ENTERED, name=None, **labels):
        name = name or family.name
        own = LABELS | labels
        text = ",".join(f'{label}="{value}"' for label, value in own.items())
        metric = ",".join(f'{label}="{value}"' for label, value in own.items() if label != "le")
        return known.setdefault((name, text), PastSeries(family, name, own, f"{name}{{{text}}}", metric))

    return of
