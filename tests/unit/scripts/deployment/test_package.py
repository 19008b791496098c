"""The libraries of a package are the very files that requirements.txt lists by their hashes."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.deployment.libraries import build_libraries, package_lists
from scripts.deployment.package import library_modules
from scripts.deployment.runtime import HERE, Runtime
from scripts.deployment.target import DeployError

pytestmark = pytest.mark.slow

INTEL, ARM = Runtime(HERE, "x86_64"), Runtime(HERE, "arm64")
PYTHON = INTEL.abi
#: A Python that this one is not.
OTHER = Runtime("3.14" if HERE != "3.14" else "3.12", "arm64")


def wheel(folder: Path, name: str, tag: str, version: str = "1.0", more: str = "") -> str:
    """Make a wheel of one module; its hash. `more` are lines of its metadata."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"TAG = {tag!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
        )
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def listed(folder: Path, *lines: str) -> str:
    return "\n".join(["--no-index", f"--find-links {folder}", *lines, ""])


def test_a_file_with_the_hash_listed_is_taken(tmp_path: Path) -> None:
    digest = wheel(tmp_path, "colour", "py3-none-any")
    out = tmp_path / "libraries.zip"
    build_libraries(out, [listed(tmp_path, f"colour==1.0 \\\n    {digest}")], INTEL)
    assert library_modules(out) == {"colour", "colour-1"}


def test_another_file_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path, "colour", "py3-none-any")
    wrong = f"--hash=sha256:{'0' * 64}"
    with pytest.raises(DeployError, match=r"(?is)do not match the hashes.*run `make pins`"):
        build_libraries(tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {wrong}")], INTEL)
    assert not (tmp_path / "out.zip").exists()


def test_a_package_without_a_hash_beside_one_with_a_hash_is_refused(tmp_path: Path) -> None:
    digest = wheel(tmp_path, "colour", "py3-none-any")
    wheel(tmp_path, "shade", "py3-none-any")
    with pytest.raises(DeployError, match=r"(?is)hashes are required.*run `make pins`"):
        build_libraries(
            tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {digest}", "shade==1.0")], INTEL
        )


def test_without_any_hash_nothing_is_checked(tmp_path: Path) -> None:
    wheel(tmp_path, "colour", "py3-none-any")
    build_libraries(tmp_path / "out.zip", [listed(tmp_path, "colour==1.0  # no hash")], INTEL)
    assert "colour" in (library_modules(tmp_path / "out.zip") or ())


def test_each_list_is_checked_by_itself(tmp_path: Path) -> None:
    """The project's may have hashes where a job's has none; one package in two versions cannot be shipped."""
    digest = wheel(tmp_path, "colour", "py3-none-any")
    wheel(tmp_path, "shade", "py3-none-any")
    out = tmp_path / "libraries.zip"
    build_libraries(out, [listed(tmp_path, f"colour==1.0 {digest}"), listed(tmp_path, "shade==1.0")], INTEL)
    assert {"colour", "shade"} <= (library_modules(out) or set())
    wheel(tmp_path, "colour", "py3-none-any", "2.0")
    both = [listed(tmp_path, f"colour==1.0 {digest}"), listed(tmp_path, "colour==2.0")]
    with pytest.raises(DeployError, match=r"need colour in two versions, 1\.0 and 2\.0"):
        build_libraries(tmp_path / "out.zip", both, INTEL)


@pytest.mark.parametrize("known", [True, False])
def test_a_wheel_of_another_platform_is_checked_as_well(known: bool, tmp_path: Path) -> None:
    """Chalice fetches it by itself, after a wheel for this machine was found not to fit."""
    here = wheel(tmp_path, "colour", f"{PYTHON}-{PYTHON}-manylinux_2_17_x86_64")
    there = wheel(tmp_path, "colour", f"{PYTHON}-{PYTHON}-manylinux_2_17_aarch64")
    requirements = listed(tmp_path, f"colour==1.0 {here} {there if known else ''}")
    out = tmp_path / "out.zip"
    if not known:
        with pytest.raises(DeployError, match="could not install colour==1"):
            build_libraries(out, [requirements], ARM)
        return
    build_libraries(out, [requirements], ARM)
    with zipfile.ZipFile(out) as archive:
        assert b"aarch64" in archive.read("colour.py")


def test_packages_are_for_the_python_of_the_functions_and_not_for_this_one(tmp_path: Path) -> None:
    """Files, `Requires-Python` and what stands behind `;`, also of what a package needs itself."""
    for python in (HERE, OTHER.python):
        tag = "cp" + python.replace(".", "")
        for machine in ("x86_64", "aarch64"):
            wheel(tmp_path, "colour", f"{tag}-{tag}-manylinux_2_17_{machine}")
    theirs, ours = (f"python_version == '{python}'" for python in (OTHER.python, HERE))
    needs = f"Requires-Python: =={OTHER.python}.*\n"
    needs += (
        f"Requires-Dist: deep ; {theirs} and platform_machine == 'aarch64'\nRequires-Dist: none ; {ours}\n"
    )
    wheel(tmp_path, "shade", "py3-none-any", more=needs)
    wheel(tmp_path, "deep", "py3-none-any")
    out = tmp_path / "out.zip"
    wanted = ["colour==1.0", f"shade==1.0 ; {theirs}", f"absent==1.0 ; {ours}"]
    build_libraries(out, [listed(tmp_path, *wanted)], OTHER)
    with zipfile.ZipFile(out) as archive:
        assert archive.read("colour.py").decode().startswith(f"TAG = '{OTHER.abi}-{OTHER.abi}-")
        assert "aarch64" in archive.read("colour.py").decode()
    assert library_modules(out) == {"colour", "colour-1", "shade", "shade-1", "deep", "deep-1"}


def test_what_has_wheels_but_none_for_lambda_is_not_compiled_here(tmp_path: Path) -> None:
    """It would take minutes, and need not load there."""
    here = wheel(tmp_path, "colour", f"{PYTHON}-{PYTHON}-manylinux_2_17_x86_64")
    ran, source = tmp_path / "ran", tmp_path / "colour-1.0.tar.gz"
    files = {
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'builds'\nbackend-path = ['.']\n",
        "builds.py": f"open({str(ran)!r}, 'w')\n",
        "PKG-INFO": "Name: colour\nVersion: 1.0\n",
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"colour-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    there = f"--hash=sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    with pytest.raises(DeployError, match=r"could not install colour==1\.0; .* has no wheel for Lambda's"):
        build_libraries(tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {here} {there}")], ARM)
    assert not ran.exists()


def test_each_package_has_a_list_of_its_own_with_the_options_of_all() -> None:
    text = (
        "# a comment\n--index-url https://example/simple\nPy_Colour[deep]==1.0 ; python_version < '3.14' \\\n"
        "    --hash=sha256:aa \\\n    --hash=sha256:bb\nshade==2.0  # without\n"
    )
    assert package_lists(text) == {
        "py-colour==1.0": "--index-url https://example/simple\npy-colour==1.0 --hash=sha256:aa --hash=sha256:bb\n"
    }
