"""The README keeps what it promises: its config loads, its commands and links exist."""

import re
from pathlib import Path

import pytest

from stream.cli.main import COMMANDS
from stream.settings.load import load_funnels, load_tracker

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_config_of_ones_own_topic_loads_and_has_five_lines(tmp_path):
    tracker, funnel = blocks("yaml")
    lines = [line for line in tracker.splitlines() if not line.startswith("#")]
    assert len(lines) == 5
    (tmp_path / "funnels").mkdir()
    (tmp_path / "funnels/checkout.yaml").write_text(funnel)
    (tmp_path / "tracker.yaml").write_text(tracker)
    settings = load_tracker(tmp_path / "tracker.yaml", {})
    assert settings.sources[0].topics == ("clicks",)
    (checkout,) = load_funnels(settings.funnels)
    assert [step.name for step in checkout.steps] == ["view_product", "add_to_cart", "purchase"]


def test_every_funnel_command_it_names_exists():
    code = "\n".join([*re.findall(r"`([^`\n]+)`", README), *blocks("sh")])
    named = set(re.findall(r"^funnel (\w+)", code, flags=re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_every_make_target_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_every_link_leads_somewhere(target):
    assert (ROOT / target).exists()
