"""`funnel rules`, through its arguments and what it prints."""

import argparse
from pathlib import Path

import pytest

from stream.cli import rules
from stream.errors import RulesError

CONFIG = Path(__file__).parents[3] / "config" / "tracker.yaml"


@pytest.fixture
def funnel(monkeypatch, capsys):
    """Run `funnel` with arguments: the exit code and what it printed."""
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "FUNNEL_TRACKER"):
        monkeypatch.delenv(variable, raising=False)

    def run(*words):
        parser = argparse.ArgumentParser()
        rules.register(parser.add_subparsers())
        args = parser.parse_args(["rules", "--config", str(CONFIG), *map(str, words)])
        status = args.run(args)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_what_is_written_is_current_until_it_is_changed(funnel, tmp_path):
    file = tmp_path / "rules" / "funnel.yml"
    assert funnel("--output", file, "--check") == (
        1, f"{file} is not what `funnel rules` writes: run it and commit the result\n",
    )  # fmt: skip
    assert not file.exists()
    assert funnel("--output", file) == (0, f"{file} written\n")
    assert funnel("--output", file, "--check") == (0, "")
    file.write_text(file.read_text() + "\n")
    assert funnel("--output", file, "--check")[0] == 1


def test_a_file_that_cannot_be_written_is_named(funnel, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RulesError, match=r"file/funnel\.yml cannot be written: "):
        funnel("--output", tmp_path / "file" / "funnel.yml")
