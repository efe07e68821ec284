"""A funnel file that is right, and what becomes of it when parts are changed."""

import pytest
import yaml

from stream.errors import SettingsError
from stream.settings.load import load_funnels


@pytest.fixture
def good_funnel():
    return {"funnel": "shop", "window": "1h", "steps": [{"event": "a"}, {"event": "b"}]}


@pytest.fixture
def load(tmp_path, good_funnel):
    """Load a file that is `good_funnel` with `changes` (None removes a key)."""

    def load_changed(**changes):
        tree = {key: value for key, value in {**good_funnel, **changes}.items() if value is not None}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
        (funnel,) = load_funnels(path)
        return funnel

    return load_changed


@pytest.fixture
def problems(load):
    """Return `path: text` of every problem of a file."""

    def found(**changes):
        with pytest.raises(SettingsError) as raised:
            load(**changes)
        return [f"{problem.path}: {problem.text}" for problem in raised.value.problems]

    return found
