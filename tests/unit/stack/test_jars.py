"""Kafka's jars are fetched once, and are there whole or not at all."""

import stat
import subprocess
import sys
import zipfile

import pytest

from stream.errors import StackError
from stream.stack.jars import NEEDED_CLASSES, fetch_jars, have_jars, jars_folder

FAKE_MAVEN = """#!{python}
import pathlib, sys, zipfile
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write("call\\n")
assert pathlib.Path("pom.xml").read_text().count("<dependency>") == 3
{body}
"""
WHOLE = f"""
with zipfile.ZipFile("jars/kafka.jar", "w") as jar:
    for name in {NEEDED_CLASSES!r}:
        jar.writestr(name, b"")
"""


@pytest.fixture
def maven(tmp_path):
    def make(body):
        path = tmp_path / "mvn"
        path.write_text(FAKE_MAVEN.format(python=sys.executable, folder=str(tmp_path), body=body))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def calls(tmp_path):
    return (tmp_path / "calls").read_text().count("call")


def test_the_jars_are_fetched_once(tmp_path, maven):
    cache = tmp_path / "cache"
    assert not have_jars(cache)
    folder = fetch_jars(cache, maven(WHOLE))
    assert have_jars(cache)
    assert zipfile.is_zipfile(folder / "kafka.jar")
    assert fetch_jars(cache, "no such maven") == folder
    assert calls(tmp_path) == 1


def test_two_runs_at_once_fetch_once(tmp_path, maven):
    mvn = maven(WHOLE)
    code = (
        "import pathlib, sys\n"
        "from stream.stack.jars import fetch_jars\n"
        "print(fetch_jars(pathlib.Path(sys.argv[1]), sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), mvn]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {run.communicate(timeout=60)[0].strip() for run in runs}
    assert answers == {str(jars_folder(tmp_path / "cache"))}
    assert calls(tmp_path) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("print('no route to the registry'); sys.exit(1)", "no route to the registry", id="maven-fails"),
        pytest.param("pathlib.Path('jars/a.jar').write_bytes(b'PK cut')", "a.jar arrived damaged", id="cut-off"),
        pytest.param("pass", "the download is incomplete", id="nothing-arrived"),
    ],
)
def test_a_failed_download_says_why_and_does_not_count(tmp_path, maven, body, message):
    cache = tmp_path / "cache"
    with pytest.raises(StackError, match=message):
        fetch_jars(cache, maven(body))
    assert not have_jars(cache)
    assert have_jars(fetch_jars(cache, maven(WHOLE)).parent)


def test_what_an_interrupted_download_left_is_thrown_away(tmp_path, maven):
    cache = tmp_path / "cache"
    left = cache / f"{jars_folder(cache).name}.partial" / "jars"
    left.mkdir(parents=True)
    (left / "half.jar").write_bytes(b"half")
    assert not have_jars(cache)
    assert [jar.name for jar in fetch_jars(cache, maven(WHOLE)).iterdir()] == ["kafka.jar"]
