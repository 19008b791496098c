"""Find the class that a job file names: `module:Class`, the module being a file beside the job file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ..core.errors import ConfigError
from ..core.ports import Runtime
from ..core.spec import InputSpec, JobSpec


class JobLoader:
    """From `module:Class` to the class; modules are files in `folder`, loaded once.

    Raises ConfigError that says what is missing: the file, the class, or what the module raised.
    """

    def __init__(self, folder: Path, packages: tuple[str, ...] | None = None) -> None:
        self._folder = folder
        self._modules: dict[str, ModuleType] = {}
        #: The job's `requirements` by which this process was made; None: those of the configuration in hand.
        self.packages = packages

    def __call__(self, name: str) -> type[Any]:
        module_name, _, class_name = name.partition(":")
        if not module_name.isidentifier() or not class_name.isidentifier():
            raise ConfigError(f"job: expected `module:Class`, got {name!r}")
        if module_name not in self._modules:
            self._modules[module_name] = _load_module(self._folder, module_name)
        module = self._modules[module_name]
        found = getattr(module, class_name, None)
        if not isinstance(found, type):
            classes = [key for key, value in vars(module).items() if _is_own(value, module_name)]
            known = f"it has {', '.join(classes)}" if classes else "it has no class"
            raise ConfigError(
                f"job: {name}: no class {class_name} in {self._folder / module_name}.py: {known}"
            )
        # A job written for mrjob says itself what it is here.
        adapt = getattr(found, "sluice_job", None)
        return adapt() if adapt else found


def job_loader(folder: Path, packages: tuple[str, ...] | None = None) -> Callable[[str], type[Any]]:
    """As `JobLoader`."""
    return JobLoader(folder, packages)


class Source(NamedTuple):
    """One of a job's inputs, and what its JSON documents are decoded into."""

    spec: InputSpec
    record_type: type[Any] | None = None
    #: What makes records of its objects, if `input.reader` says so.
    reader: Callable[..., Any] | None = None
    #: A compressed object may unpack to so many times its size; None: to any.
    unpack_ratio: int | None = None


def sources(runtime: Runtime, spec: JobSpec) -> dict[str, Source]:
    """The job's inputs by their tags; `input.type` names a class of the job's own module."""
    module = spec.job.partition(":")[0]
    return {
        given.tag: Source(
            spec=given,
            record_type=runtime.load_job(f"{module}:{given.type}") if given.type else None,
            reader=reader_of(runtime.load_job, spec, given),
            unpack_ratio=spec.limits.unpack_ratio,
        )
        for given in spec.inputs
    }


def reader_of(
    load_job: Callable[[str], type[Any]], spec: JobSpec, given: InputSpec
) -> Callable[..., Any] | None:
    """What `input.reader` names in the job's own module. Raises ConfigError if that is no reader."""
    if not given.reader:
        return None
    cls = load_job(spec.job)
    found = getattr(module_of(spec.job, cls), given.reader, None)
    if isinstance(found, type):
        methods = [name for name in ("read", "read_blocks") if callable(getattr(found, name, None))]
        if len(methods) != 1:
            raise ConfigError(
                f"input.reader: {given.reader}: expected a class with one of read(self, stream) and"
                f" read_blocks(self, stream), found {' and '.join(methods) or 'neither'}"
            )
    elif not callable(found):
        raise ConfigError(
            f"input.reader: expected {given.reader} in {spec.job.partition(':')[0]}.py: a function from a stream to"
            f" records, or a class with read(self, stream); found {'none' if found is None else repr(found)}"
        )
    reader: Callable[..., Any] = found
    return reader


def container_of(load_job: Callable[[str], type[Any]], spec: JobSpec) -> Callable[[Any], Any]:
    """What `output.container` names in the job's own module. Raises ConfigError if that is no such class."""
    name = spec.output.container
    found = getattr(module_of(spec.job, load_job(spec.job)), name, None)
    missing = [method for method in ("write", "close") if not callable(getattr(found, method, None))]
    if not isinstance(found, type) or missing:
        raise ConfigError(
            f"output.container: {name}: expected a class in {spec.job.partition(':')[0]}.py, made with a binary stream,"
            f" with write(self, key, value) and close(self); found {'none' if found is None else repr(found)}"
        )
    return found


def can_be_cut(reader: Callable[..., Any] | None) -> bool:
    """Whether a reader can begin anywhere in an object."""
    return isinstance(reader, type) and callable(getattr(reader, "sync", None))


def module_of(name: str, cls: type[Any]) -> ModuleType | None:
    """The module of the job `module:Class`, whose class is `cls`."""
    return sys.modules.get(f"sluice_job_{name.partition(':')[0]}") or sys.modules.get(cls.__module__)


def folder_of(name: str, cls: type[Any]) -> Path:
    """Where the module of the job `module:Class` lies, and its job file with it."""
    return Path(getattr(module_of(name, cls), "__file__", None) or "").parent


def _load_module(folder: Path, name: str) -> ModuleType:
    path = folder / f"{name}.py"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__"))
        raise ConfigError(f"job: {path}: no such file; there are {known or 'no modules'} in {folder}")
    # Modules beside the job's can be imported by it; last, so that none of them hides a library.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    # As a package whose modules lie in the folder, so that `from . import helper` finds them as well.
    spec = importlib.util.spec_from_file_location(
        f"sluice_job_{name}", path, submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ConfigError(f"job: {path}: Python cannot load it")
    below = f"{spec.name}."
    for stale in [known for known in sys.modules if known.startswith(below)]:
        del sys.modules[stale]  # of another folder, or before a change
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        del sys.modules[spec.name]
        raise ConfigError(f"job: {path}: {_lacking(error, folder)}") from error
    except Exception as error:
        del sys.modules[spec.name]
        detail = "".join(traceback.format_exception(error, limit=-3)).rstrip()
        raise ConfigError(f"job: {path} does not load:\n{detail}") from error
    return module


def _lacking(error: ModuleNotFoundError, folder: Path) -> str:
    """What an import failed for, and what to do."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if folder in Path(frame.filename).parents]
    last = (own or frames)[-1]
    where = f"line {last.lineno} of {Path(last.filename).name}"
    return (
        f"{where} imports {error.name}, which is not here: put it beside the job file, or list the package that has it"
        " in the job's `requirements`, and run scripts/install.py to have it on this machine"
    )


def _is_own(value: object, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == f"sluice_job_{module}"
