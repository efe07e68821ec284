"""Bring Kafka's jars into the cache, once, through Maven.

In:  a cache folder.
Out: a folder whose jars are Kafka's class path, complete or absent.

Maven fills a folder of its own, which gets its final name only when every jar in it is whole.
A lock keeps two runs from fetching at once; the second finds the first one's result.
"""

import shutil
import subprocess
import zipfile
from pathlib import Path

from stream.errors import StackError
from stream.stack.processes import dying_with_parent
from stream.stack.state import locked

KAFKA_VERSION = "4.3.1"
SCALA_VERSION = "2.13"
# Kafka's own jars name no logger, so that its errors would go nowhere; this is the one its distribution ships.
LOGGER_VERSION = "2.25.4"
# Pinned, so that Maven does not choose by what its registry holds on the day.
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
NEEDED_CLASSES = ("kafka/Kafka.class", "kafka/tools/StorageTool.class")
TAIL_LINES = 20

POM = f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>funnel-tracker</groupId>
  <artifactId>kafka-class-path</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_{SCALA_VERSION}</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOGGER_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def jars_folder(cache: Path) -> Path:
    """Return where the jars of the pinned Kafka lie, whether they are there or not."""
    return cache / f"kafka-{KAFKA_VERSION}"


def have_jars(cache: Path) -> bool:
    """Whether the jars are there; a download that was cut off never is."""
    return jars_folder(cache).is_dir()


def fetch_jars(cache: Path, mvn: str) -> Path:
    """Return the folder with Kafka's jars, fetching them if need be.

    Raises `StackError` with the end of Maven's output if it fails.
    """
    final = jars_folder(cache)
    if final.is_dir():
        return final
    with locked(cache / f"kafka-{KAFKA_VERSION}.lock"):
        if final.is_dir():
            return final
        partial = cache / f"kafka-{KAFKA_VERSION}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "jars").mkdir(parents=True)
        _run_maven(partial, mvn)
        _check_jars(partial / "jars")
        (partial / "jars").rename(final)
        shutil.rmtree(partial, ignore_errors=True)
    return final


def _run_maven(folder: Path, mvn: str) -> None:
    (folder / "pom.xml").write_text(POM, encoding="utf-8")
    command = [mvn, "-B", "-q", f"{DEPENDENCY_PLUGIN}:copy-dependencies"]
    command += ["-DoutputDirectory=jars", "-DincludeScope=runtime"]
    done = subprocess.run(  # noqa: S603
        dying_with_parent(command),
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        raise StackError(
            f"Maven could not fetch Kafka {KAFKA_VERSION} (exit code {done.returncode}); "
            f"it needs a reachable Maven repository (a mirror goes into ~/.m2/settings.xml). It said:\n{end}"
        )


def _check_jars(folder: Path) -> None:
    classes: set[str] = set()
    for jar in folder.glob("*.jar"):
        try:
            with zipfile.ZipFile(jar) as archive:
                classes.update(name for name in NEEDED_CLASSES if name in archive.NameToInfo)
        except zipfile.BadZipFile:
            raise StackError(f"{jar.name} arrived damaged: remove it from Maven's own cache and try again") from None
    missing = [name for name in NEEDED_CLASSES if name not in classes]
    if missing:
        raise StackError(f"the jars of Kafka {KAFKA_VERSION} lack {', '.join(missing)}: the download is incomplete")
