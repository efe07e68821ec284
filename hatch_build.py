"""Compile the counting core when a wheel is built, if that is asked for.

    HATCH_BUILD_HOOKS_ENABLE=1 pip install .      # needs a C compiler; `make compiled` puts it into build/compiled

In:  the modules that pyproject.toml names, as they are: what is compiled is the Python that is read and tested.
Out: a wheel of this platform, in which each of them lies compiled beside its source. It counts the same, in less time
     (docs/benchmarks.md).

An editable install is never compiled: what is compiled would hide what is edited.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARGUMENTS = [] if os.name == "nt" else ["-O1", "-w"]  # more is not faster, and takes longer
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # annotations are for people and mypy: a compiled module takes what the source takes
}


class CompiledCore(BuildHookInterface[Any]):
    """The hook `custom` of pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add what came of it to the wheel."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="funnel-compiled-")
        root = Path(self.root)
        sources = [path for pattern in self.config["modules"] for path in sorted(root.glob(pattern))]
        built = _compiled(root, [path for path in sources if path.name != "__init__.py"], Path(self._folder.name))
        build_data["force_include"].update({str(path): str(place) for path, place in built.items()})
        build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the folder of the compiler, once the wheel has what it made."""
        if version != "editable":
            self._folder.cleanup()


def _compiled(root: Path, sources: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Compile modules of the project, below `folder`; returns what came of them, each with its place in the wheel."""
    from Cython.Build import cythonize  # noqa: PLC0415 (there only where the hook is asked for)
    from setuptools import Distribution, Extension  # noqa: PLC0415

    names = [path.relative_to(root).with_suffix("") for path in sources]
    extensions = [
        Extension(".".join(name.parts), [str(path)], extra_compile_args=ARGUMENTS)
        for name, path in zip(names, sources, strict=True)
    ]
    processes = os.cpu_count() or 1
    modules = cythonize(extensions, compiler_directives=DIRECTIVES, build_dir=str(folder / "c"), nthreads=processes)
    build = Distribution({"name": "stream", "ext_modules": modules}).get_command_obj("build_ext")
    build.build_lib, build.build_temp = str(folder / "lib"), str(folder / "o")
    build.parallel = processes
    build.ensure_finalized()
    build.run()
    lib = folder / "lib"
    return {path: path.relative_to(lib) for path in lib.rglob("*") if path.is_file()}
