"""`make mutants`: turns the engine's rules off one at a time, and says which no test notices.

In:  the command line.
Out: a table of the rules; exit status 1 if turning one off goes unnoticed, 2 if it could not be tried.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Sequence

from .rule import RottenRule, Rule
from .rules import RULES
from .trials import ROOT, Trial, TrialError, Trials


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, metavar="N", help="try N rules only, chosen by the seed")
    parser.add_argument("--seed", help="what chooses the sample (default: the text of the engine)")
    parser.add_argument("--only", default="", metavar="TEXT", help="try rules only whose words or file have this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at a time")
    parser.add_argument("--list", action="store_true", help="list the rules, try none")
    asked = parser.parse_args(arguments)
    # A plain end too shall leave nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rules = [rule for rule in RULES if asked.only in f"{rule.file} {rule.words}"]
    if asked.sample is not None and asked.sample < len(rules):
        seed = asked.seed or engine_digest()
        rules = random.Random(seed).sample(rules, asked.sample)
        print(f"{len(rules)} of {len(RULES)} rules, chosen by --seed {seed}")
    if asked.list:
        for rule in rules:
            print(f"{rule.file:16} {rule.words}")
        return 0
    try:
        for rule in RULES:
            rule.turned_off((ROOT / rule.path).read_text(encoding="utf-8"))
        return report(rules, asked.jobs)
    except (RottenRule, TrialError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def engine_digest() -> str:
    """Return a text that changes with the engine, so that each state of it has a sample of its own."""
    files = sorted({rule.path for rule in RULES})
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in files)).hexdigest()[:12]


def report(rules: Sequence[Rule], at_a_time: int) -> int:
    """Try the rules and say what became of them."""
    begun = time.monotonic()
    unnoticed: list[Trial] = []
    with Trials() as trials:
        trials.prepare()
        for trial in trials.of(rules, at_a_time):
            if not trial.noticed_by:
                unnoticed.append(trial)
            print(
                f"{trial.took_s:5.1f} s  {trial.rule.file:16} {trial.rule.words:90}  "
                f"{trial.noticed_by or 'NOBODY NOTICED'}",
                flush=True,
            )
    print(f"{len(rules)} rules turned off in {time.monotonic() - begun:.0f} s, {len(unnoticed)} unnoticed")
    for trial in unnoticed:
        print(f"\nNo test fails without: {trial.rule.words} ({trial.rule.path})")
        print("\n".join([*_marked("-", trial.rule.on), *_marked("+", trial.rule.off)]))
    return 1 if unnoticed else 0


def _marked(sign: str, text: str) -> list[str]:
    return [f"{sign} {line}" for line in text.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
