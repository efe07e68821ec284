"""`funnel explain`: what became of each event of one actor, and why one did not count.

In:  the command line; the tracker file and its funnels; a file, a topic, or what is stored of the actor.
Out: text or JSON (docs/explain.md); exit status 0, or 1 if nothing is known of the actor.
"""

import argparse
import asyncio
import os
import sys

import msgspec

from stream.analyze.actor_log import ActorLog
from stream.analyze.document import iso
from stream.analyze.explained_forms import VERSION, ExplainedSourceDoc, ExplanationDoc
from stream.analyze.explanation import explain_records, explain_stored
from stream.analyze.live import open_live
from stream.analyze.live_actor import read_actor
from stream.analyze.show import console
from stream.analyze.show_explanation import show_explanation
from stream.cli.analyze import (
    chosen_funnels,
    optional_tracker,
    progress_bar,
    read_log,
    register_as_of,
    register_log,
    source_document,
)
from stream.engine.match import FunnelSet
from stream.errors import ExplainError
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="say of each event of one actor what it did, or why it did not count",
        description="Explain one actor: its attempts, where it stands, and each of its events. From a file or a topic; "
        "with neither, from what live has stored of it. Writes nothing.",
    )
    parser.add_argument("--actor", required=True, metavar="ID", help="the actor, as its records name it")
    parser.add_argument("--events", dest="file", metavar="FILE",
                        help="JSON lines or CSV with a header; .gz is unpacked; - is standard input")  # fmt: skip
    parser.add_argument("--topic", help="read this Kafka topic instead of a file")
    register_log(parser)
    register_as_of(parser)
    parser.add_argument("--json", action="store_true", help="print JSON (config/schema/explanation.schema.json)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain and print. Raises `FunnelError` where nothing is known of the actor, or the operator must act."""
    if args.file is not None and args.topic is not None:
        raise ExplainError("give --events or --topic, not both; with neither the store is asked")
    document = _from_store(args) if args.file is None and args.topic is None else _from_log(args)
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        show_explanation(document, console())
    return 0


def _from_log(args: argparse.Namespace) -> ExplanationDoc:
    tracker = optional_tracker(args.config)
    funnels = FunnelSet(chosen_funnels(args.funnel, tracker))

    def new_log(mapping: Mapping, limits: Limits, bot_cap: int) -> ActorLog:
        return ActorLog(args.actor, funnels.property_paths, mapping, limits, bot_cap)

    with progress_bar() as progress:
        log = read_log(args, tracker, new_log, progress)
    source = source_document(args, log.next_offsets)
    held = {number: part.records for number, part in sorted(log.parts.items()) if part.records}
    if not held:
        count = sum(log.next_offsets.values())
        raise ExplainError(f"{source.name}: none of {count} records is of this actor (is --field actor=... right?)")
    as_of_ms = args.as_of if args.as_of is not None else log.latest_ms
    until_ms = 0 if as_of_ms is None else as_of_ms
    return ExplanationDoc(
        format="funnel-explanation",
        version=VERSION,
        source=ExplainedSourceDoc(kind=source.kind, name=source.name),
        actor=args.actor,
        as_of=None if as_of_ms is None else iso(as_of_ms),
        funnels=[
            explain_records(funnels, funnel, records, until_ms, log.bot_cap, None if args.topic is None else number)
            for number, records in held.items()
            for funnel in funnels.funnels
        ],
    )


def _from_store(args: argparse.Namespace) -> ExplanationDoc:
    tracker = load_tracker(args.config, os.environ)
    wanted = None if not args.funnel else {funnel.key for funnel in chosen_funnels(args.funnel, tracker)}
    return asyncio.run(_stored(args, tracker, load_funnels(tracker.funnels, tracker.period), wanted))


async def _stored(
    args: argparse.Namespace, tracker: TrackerSettings, funnels: tuple[Funnel, ...], wanted: set[str] | None
) -> ExplanationDoc:
    async with open_live(tracker, funnels) as (store, live):
        found = await read_actor(store, live.funnels, live.settings, args.actor, args.as_of)
    return ExplanationDoc(
        format="funnel-explanation",
        version=VERSION,
        source=ExplainedSourceDoc(kind="live", name=f"namespace {live.settings.redis.namespace}"),
        actor=found.key.hex(),
        as_of=iso(found.as_of_ms),
        funnels=[
            explain_stored(funnel, found.states[funnel.number], found.as_of_ms, found.partition)
            for funnel in found.funnels.funnels
            if funnel.number in found.states and (wanted is None or funnel.definition.key in wanted)
        ],
    )
