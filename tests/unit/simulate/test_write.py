"""Records as lines: what is read back is what was simulated."""

import gzip
import io
import json
import threading
from itertools import islice

import pytest

from stream.errors import SimulateError
from stream.simulate.shop import ShopTraffic, SimRecord, iso_time, shop_records
from stream.simulate.write import open_lines, stamped, write_lines

RECORDS = list(islice(shop_records(ShopTraffic(junk_share=0.1)), 2_000))


class Clock:
    """A pace that never waits and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ahead_seconds(self, record_ms: int) -> float:
        self.asked.append(record_ms)
        return 0.0


@pytest.mark.parametrize(("name", "unpack"), [("events.jsonl", bytes), ("events.jsonl.gz", gzip.decompress)])
def test_a_file_gives_back_every_record_in_order(name, unpack, tmp_path):
    path = tmp_path / name
    with open_lines(str(path)) as lines:
        assert write_lines(RECORDS, lines, stop=threading.Event()) == 2_000
    assert unpack(path.read_bytes()).split(b"\n") == [*(record.value for record in RECORDS), b""]


def test_a_compressed_file_carries_neither_its_name_nor_the_time(tmp_path):
    """Else equal records would not give equal bytes."""
    written = []
    for name in ("one.gz", "two.gz"):
        with open_lines(str(tmp_path / name)) as lines:
            write_lines(RECORDS, lines, stop=threading.Event())
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert written[0][3:8] == bytes(5)


def test_the_record_time_is_added_to_whole_objects_only():
    output = io.BytesIO()
    write_lines(RECORDS, output, stop=threading.Event(), with_record_time=True)
    stamps = 0
    for record, line in zip(RECORDS, output.getvalue().splitlines(), strict=True):
        if line != record.value:
            assert line.startswith(record.value[:-1])
            assert line.endswith(b',"record_time":"%s"}' % iso_time(record.record_ms).encode())
            stamps += 1
    assert 1_800 < stamps < 2_000
    assert json.loads(stamped(SimRecord(b"d", b'{"id":"1"}', 7))) == {"id": "1", "record_time": iso_time(7)}
    assert stamped(SimRecord(b"d", b"null", 0)) == b"null"


def test_it_stops_where_it_is_told_with_whole_lines():
    stop = threading.Event()

    def until_the_tenth():
        for number, record in enumerate(RECORDS):
            if number == 10:
                stop.set()
            yield record

    output = io.BytesIO()
    assert write_lines(until_the_tenth(), output, stop=stop) == 10
    assert output.getvalue().count(b"\n") == 10


def test_the_pace_is_asked_for_every_record():
    clock = Clock()
    write_lines(RECORDS[:50], io.BytesIO(), stop=threading.Event(), pace=clock)
    assert clock.asked == [record.record_ms for record in RECORDS[:50]]


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    complaint = r"missing/events.jsonl: cannot be written \(No such file"
    with pytest.raises(SimulateError, match=complaint), open_lines(str(tmp_path / "missing" / "events.jsonl")):
        pass
