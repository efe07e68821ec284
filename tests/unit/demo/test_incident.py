"""The incident tells the simulator what to do, and who watches what to look at."""

from stream.cli.main import parser
from stream.demo.incident import Incident

INCIDENT = Incident(1_767_225_660_000)


def test_the_simulator_takes_its_options():
    args = parser(["simulate"]).parse_args(["simulate", "--to", "-", *INCIDENT.options()])
    assert (args.drop_step, args.drop_segment, args.drop_factor) == ("purchase", ("device", "mobile"), 0.1)
    assert args.drop_from == ("at", INCIDENT.begin_ms)


def test_before_it_says_how_long_it_will_be():
    assert not INCIDENT.has_begun(INCIDENT.begin_ms - 1)
    assert INCIDENT.text(INCIDENT.begin_ms - 42_000) == "in 42 s checkouts on phones begin to fail"


def test_from_its_moment_on_it_says_what_to_watch():
    assert INCIDENT.has_begun(INCIDENT.begin_ms)
    text = INCIDENT.text(INCIDENT.begin_ms)
    assert text.startswith("since ")
    assert "90% of the purchases on phones fail: watch mobile, and the alerts" in text
