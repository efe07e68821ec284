"""docs/replay.md says of compare what it is: its example is what the command prints, and every field has its name."""

import argparse
import asyncio
import json
import random
import re
from pathlib import Path

import msgspec
import pytest

from stream.cli import replay_compare
from stream.replay import compared
from stream.replay.compared import VERSION, ComparisonDoc
from stream.worker.runs import Start
from support.replays import START_MS, World

SECTION = (
    (Path(__file__).parents[2] / "docs/replay.md").read_text().partition("\n## Compare\n")[2].partition("\n## ")[0]
)


async def example() -> World:
    """Visitors of two shops' devices; one goes on without a pause, and a phone's visit is missing from the run."""
    world, rng = World(partitions=2), random.Random(4)
    for number in range(160):
        second = number * 2
        world.write(f"u{rng.randrange(40)}", rng.choice("AAABC"), second * 1000, device=rng.choice(["phone", "desk"]))
        if number < 75:
            world.write("u7", "A", second * 1000 + 500, device="desk")
        if number == 125:
            world.write("u90", "A", second * 1000 + 500, device="phone")
    await world.count(rng=rng)
    starts = {number: Start(offset, START_MS + 120_000) for number, offset in ((0, 38), (1, 55))}
    await world.add_run("fix", starts)
    place = next(place for place, (_, _, key) in enumerate(world.logs[0]) if key == b"u90")
    kept = world.logs[0][place]
    world.logs[0][place] = (b"{", *kept[1:])
    await world.count("fix", {number: len(log) - 6 for number, log in world.logs.items()}, rng=rng, starts=starts)
    world.logs[0][place] = kept
    return world


@pytest.fixture
def ask(monkeypatch, capsys):
    """Ask the command about the example; returns its exit status and what it printed."""
    world = asyncio.run(example())
    monkeypatch.setattr(replay_compare, "load_tracker", lambda *_: world.settings)
    monkeypatch.setattr(replay_compare, "load_funnels", lambda *_: world.funnels)
    monkeypatch.setattr(replay_compare, "open_store", world.open_store)
    monkeypatch.setattr(replay_compare, "Topic", lambda _, topic: world.open_log(topic))
    monkeypatch.setenv("COLUMNS", "120")

    def asked(*options):
        parser = argparse.ArgumentParser()
        replay_compare.register(parser.add_subparsers())
        args = parser.parse_args(["compare", "--name", "fix", *options])
        return args.run(args), capsys.readouterr().out

    return asked


def test_the_example_is_what_the_command_prints(ask, monkeypatch):
    monkeypatch.setattr(compared, "MAX_LINES", 4)
    status, printed = ask()
    assert status == 1
    (shown,) = re.findall(r"```\n(run fix .*?)```", SECTION, re.DOTALL)
    assert printed == shown


def test_every_field_of_the_json_is_named(ask):
    status, printed = ask("--json")
    assert status == 1
    document = json.loads(printed)
    assert msgspec.json.decode(printed, type=ComparisonDoc).version == VERSION == document["version"]
    names = {*document}
    for part in (document["live"], document["offsets"]["0"], document["differences"][0], document["unsynced"][0]):
        names |= {*part}
    assert names - set(re.findall(r"`([a-z_]+)`", SECTION)) == set()


def test_every_option_is_named():
    subparsers = argparse.ArgumentParser().add_subparsers()
    replay_compare.register(subparsers)
    options = [word for action in subparsers.choices["compare"]._actions for word in action.option_strings]
    assert {word for word in options if word.startswith("--")} - set(re.findall(r"`(--[a-z]+)", SECTION)) == {"--help"}
