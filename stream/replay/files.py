"""Files as the older part of a run's log: which they are, and how they and its topic go together.

In:  NDJSON or CSV files; where the run begins in the topic.
Out: `Files`, and the starts with their seams, for the run's document; later, whether a file is still the same.

A partition's seam is when the first record that the run reads of it was written. What was written before is in
files: rows up to the seam, and behind it by the skew that a clock may be ahead. What is later is left to Kafka.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from stream.analyze.live import log_mapping_of
from stream.analyze.read_topic import TimedValue, first_records
from stream.errors import ReplayError
from stream.ingest.decode import EventDecoder, Invalid
from stream.replay.partitioner import PARTITIONERS, find_partitioner
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.worker.runs import File, Files, Start

SAMPLE_RECORDS = 1_000
"""Of each partition; twenty actors would tell two partitioners apart, and records repeat them."""
DIGEST = "blake2b"


class HowRead(NamedTuple):
    """How files are read.

    format: json or csv, None for each by its name. source: whose mapping, None for the first. partitioner: one of
    `PARTITIONERS`, None for what the topic's records show.
    """

    format: str | None = None
    source: str | None = None
    partitioner: str | None = None


async def plan_files(
    settings: TrackerSettings, starts: Mapping[int, Start], paths: Sequence[Path], how: HowRead, now_ms: int
) -> tuple[Files, dict[int, Start]]:
    """Return the plan for files before a topic that is read from `starts` on, and these starts with their seams.

    Raises `ReplayError` if a file cannot be read or
    the topic's partitioner is not known, `KafkaUnavailable` or `KafkaRefused` if Kafka does not let us read.
    """
    source, partitioner = source_of(settings, how.source), how.partitioner
    if partitioner is not None and partitioner not in PARTITIONERS:
        raise ReplayError(f"--partitioner {partitioner}: there is no such one (try one of: {', '.join(PARTITIONERS)})")
    files = tuple(await asyncio.to_thread(lambda: [as_it_is(path.absolute()) for path in paths]))
    offsets = {number: start.offset for number, start in starts.items()}
    records = await first_records(settings.kafka, settings.log_topic, offsets, SAMPLE_RECORDS)
    decoder = EventDecoder(log_mapping_of(settings))
    if partitioner is None and settings.needs_repartition:
        partitioner = "crc32"
    if partitioner is None:
        partitioner = find_partitioner(settings.log_topic, {n: _actors(own, decoder) for n, own in records.items()})
    seams = {
        n: msgspec.structs.replace(start, seam_ms=_seam(records[n], decoder, now_ms)) for n, start in starts.items()
    }
    return Files(files, partitioner, source.name, how.format), seams


def source_of(settings: TrackerSettings, name: str | None) -> SourceSettings:
    """Return a source by its name, the first without. Raises `ReplayError` if there is none of this name."""
    names = [source.name for source in settings.sources]
    if name is not None and name not in names:
        raise ReplayError(f"--files-source {name}: there is no such source (try one of: {', '.join(names)})")
    return settings.sources[0 if name is None else names.index(name)]


def as_it_is(path: Path) -> File:
    """Return what tells a file from another one. Raises `ReplayError` if it cannot be read."""
    try:
        if not path.is_file():
            raise ReplayError(f"{path}: is no file that can be read again after a stop; give NDJSON or CSV files")
        with path.open("rb") as raw:
            return File(str(path), path.stat().st_size, hashlib.file_digest(raw, DIGEST).hexdigest())
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read ({error.strerror or error}); give NDJSON or CSV files") from error


def _actors(records: Iterable[TimedValue], decoder: EventDecoder) -> set[str]:
    found = (decoder.core(record.value) for record in records)
    return {core[0] for core in found if type(core) is not Invalid}


def _seam(records: Sequence[TimedValue], decoder: EventDecoder, now_ms: int) -> int:
    """Return when the first record was written; without a stamp, when its event happened.

    Where nothing is in the partition the topic begins now: a row from the future must not make all that comes late.
    """
    for record in records:
        if record.record_ms is not None and record.record_ms >= 0:
            return record.record_ms
        core = decoder.core(record.value)
        if type(core) is not Invalid:
            return core[1]
    return now_ms


def seam_of(start: Start) -> int:
    """Return the seam of a partition of a run with files."""
    assert start.seam_ms is not None  # noqa: S101 - `plan_files` gives every start of a run with files one
    return start.seam_ms


def check_files(files: Files) -> None:
    """Raise `ReplayError` if one is not the file any more that it was when the run was made."""
    for file in files.files:
        if as_it_is(Path(file.path)) != file:
            raise ReplayError(
                f"{file.path}: is not the file that it was when the run was made ({file.size_bytes} bytes, {DIGEST} "
                f"{file.digest[:16]}...), so that counting cannot go on in it; put that back, or drop the run"
            )
