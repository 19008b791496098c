"""Tries a zip before it is deployed: does it fit Lambda, and can the job be imported from it there?

The job is imported from the unpacked zip by a process that has nothing else but what Lambda brings, boto3 and what that
needs. Where this machine cannot run the functions (another processor, or no Linux), and for jobs with layers, which may
bring anything, the libraries are only looked at.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .runtime import Runtime
from .target import DeployError, Target

#: What Lambda takes of a zip that is sent in a request, and of what any unpacks to, in bytes.
MOST_SENT, MOST_UNPACKED = 50 << 20, 250 << 20
#: What Lambda's Python has beside its own modules.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
#: ELF's numbers of the processors that Lambda has.
_MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
_TAG = re.compile(r"\.(cpython-\d+)[^/]*\.so$")
_SECONDS = 120

_IMPORT = """\
import sys
folder, runtime, job, *modules = sys.argv[1:]
sys.path[:0] = [folder, runtime]
try:
    from importlib import import_module
    for module in modules:
        import_module(module)
    if job:
        from pathlib import Path
        from chalicelib.job.load_class import job_loader
        job_loader(Path(folder, "jobs"))(job)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
_MODULES = (
    "app",
    *(f"chalicelib.functions.{name}" for name in ("coordinator", "mapper", "supervisor", "reducer")),
)


def try_out(zipped: Path, target: Target) -> None:
    """Raises DeployError if Lambda would refuse the zip, or could not import the job from it."""
    with zipfile.ZipFile(zipped) as archive:
        _check_size(target.name, archive)
        _check_extensions(target.name, target.runtime, archive)
        if not target.runtime.can_run or target.spec.lambda_.layer_arns:
            return
        with tempfile.TemporaryDirectory(prefix="sluice-trial-") as name:
            folder, runtime = Path(name, "code"), Path(name, "runtime")
            archive.extractall(folder)
            link_runtime(runtime)
            _import(target, folder, runtime)


def told_untried(target: Target) -> str:
    """What to say of a zip that no Python of the functions' version could be found for; "" if there is one."""
    runtime = target.runtime
    if runtime.interpreter:
        return ""
    return (
        f"no {runtime.name} was found here, so the job was not imported from its zip, and each function compiles its "
        "modules when it starts: put one on the PATH, or set `python`"
    )


def link_runtime(folder: Path) -> None:
    """Let `folder` have the modules that Lambda brings, as links to those of this environment, and no others."""
    folder.mkdir()
    for module in RUNTIME:
        found = importlib.util.find_spec(module)
        if found and found.origin:
            path = Path(found.origin)
            path = path.parent if path.name == "__init__.py" else path
            (folder / path.name).symlink_to(path)


def _import(target: Target, folder: Path, runtime: Path) -> None:
    spec = target.spec
    extra = ("duckdb",) if spec.uses_duckdb else ()
    command = [
        target.runtime.interpreter,
        "-I",
        "-S",
        "-c",
        _IMPORT,
        folder,
        runtime,
        spec.job,
        *_MODULES,
        *extra,
    ]
    try:
        done = subprocess.run(
            command, cwd=folder, env=_environment(target), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"{target.name}: importing the job took over {_SECONDS} s; do at the first record what takes long"
        ) from error
    if done.returncode:
        told = done.stderr.replace(f"{folder}/", "").strip() or f"the process ended with {done.returncode}"
        raise DeployError(
            f"{target.name}: Lambda could not import the job from its zip: {told}\n"
            "a package that is missing goes into the job's `requirements`, a file into its `files`"
        )


def _environment(target: Target) -> dict[str, str]:
    """What a function has; no credentials, since nothing is to be called while it starts."""
    theirs = {name: str(value) for name, value in target.spec.lambda_.environment.items()}
    return {
        **theirs, **target.overrides, "SLUICE_NAME": target.name, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "LANG": "en_US.UTF-8", "PATH": "/usr/bin:/bin",
    }  # fmt: skip


def _check_size(name: str, archive: zipfile.ZipFile) -> None:
    """Layers count as well, but what is in them is not known here."""
    sizes: Counter[str] = Counter()
    for info in archive.infolist():
        sizes[info.filename.partition("/")[0]] += info.file_size
    if (unpacked := sizes.total()) > MOST_UNPACKED:
        largest = ", ".join(f"{top} {_mebibytes(size)}" for top, size in sizes.most_common(3))
        raise DeployError(
            f"{name}: its zip unpacks to {_mebibytes(unpacked)}, and Lambda takes {_mebibytes(MOST_UNPACKED)}, layers "
            f"included; the largest in it: {largest}: do without, or choose packages that are smaller"
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def _check_extensions(name: str, runtime: Runtime, archive: zipfile.ZipFile) -> None:
    for info in archive.infolist():
        why = "".join(misfits(info, runtime, archive)) if info.filename.endswith(".so") else ""
        if why:
            raise DeployError(
                f"{name}: {info.filename} is {why}, and its functions run {runtime.name} on {runtime.architecture}: "
                "choose a version of the package that has a wheel for that (pip download --platform tells)"
            )


def misfits(info: zipfile.ZipInfo, runtime: Runtime, archive: zipfile.ZipFile) -> Iterator[str]:
    """Why Lambda could not load a compiled module, at most one reason."""
    with archive.open(info) as file:
        head = file.read(20)
    tag = _TAG.search(info.filename)
    if head[:4] != b"\x7fELF":
        yield "no library of Linux"
    elif int.from_bytes(head[18:20], "little") != _MACHINES[runtime.architecture]:
        yield "for another processor"
    elif tag and tag[1] != runtime.cache_tag:
        yield f"for {tag[1]}"
