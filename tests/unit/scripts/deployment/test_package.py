"""The libraries of a package are the very files that requirements.txt lists by their hashes."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.deployment.package import build_libraries, library_modules, package_lists
from scripts.deployment.target import DeployError

pytestmark = pytest.mark.slow

PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def wheel(folder: Path, name: str, tag: str, version: str = "1.0") -> str:
    """Make a wheel of one module; its hash."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"TAG = {tag!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def listed(folder: Path, *lines: str) -> str:
    return "\n".join(["--no-index", f"--find-links {folder}", *lines, ""])


def test_a_file_with_the_hash_listed_is_taken(tmp_path: Path) -> None:
    digest = wheel(tmp_path, "colour", "py3-none-any")
    out = tmp_path / "libraries.zip"
    build_libraries(out, [listed(tmp_path, f"colour==1.0 \\\n    {digest}")], "x86_64")
    assert library_modules(out) == {"colour", "colour-1"}


def test_another_file_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path, "colour", "py3-none-any")
    wrong = f"--hash=sha256:{'0' * 64}"
    with pytest.raises(DeployError, match=r"(?is)do not match the hashes.*run `make pins`"):
        build_libraries(tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {wrong}")], "x86_64")
    assert not (tmp_path / "out.zip").exists()


def test_a_package_without_a_hash_beside_one_with_a_hash_is_refused(tmp_path: Path) -> None:
    digest = wheel(tmp_path, "colour", "py3-none-any")
    wheel(tmp_path, "shade", "py3-none-any")
    with pytest.raises(DeployError, match=r"(?is)hashes are required.*run `make pins`"):
        build_libraries(
            tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {digest}", "shade==1.0")], "x86_64"
        )


def test_without_any_hash_nothing_is_checked(tmp_path: Path) -> None:
    wheel(tmp_path, "colour", "py3-none-any")
    build_libraries(tmp_path / "out.zip", [listed(tmp_path, "colour==1.0  # no hash")], "x86_64")
    assert "colour" in (library_modules(tmp_path / "out.zip") or ())


def test_each_list_is_checked_by_itself(tmp_path: Path) -> None:
    """The project's may have hashes where a job's has none; one package in two versions cannot be shipped."""
    digest = wheel(tmp_path, "colour", "py3-none-any")
    wheel(tmp_path, "shade", "py3-none-any")
    out = tmp_path / "libraries.zip"
    build_libraries(
        out, [listed(tmp_path, f"colour==1.0 {digest}"), listed(tmp_path, "shade==1.0")], "x86_64"
    )
    assert {"colour", "shade"} <= (library_modules(out) or set())
    wheel(tmp_path, "colour", "py3-none-any", "2.0")
    both = [listed(tmp_path, f"colour==1.0 {digest}"), listed(tmp_path, "colour==2.0")]
    with pytest.raises(DeployError, match=r"need colour in two versions, 1\.0 and 2\.0"):
        build_libraries(tmp_path / "out.zip", both, "x86_64")


@pytest.mark.parametrize("known", [True, False])
def test_a_wheel_of_another_platform_is_checked_as_well(known: bool, tmp_path: Path) -> None:
    """Chalice fetches it by itself, after a wheel for this machine was found not to fit."""
    here = wheel(tmp_path, "colour", f"{PYTHON}-{PYTHON}-manylinux_2_17_x86_64")
    there = wheel(tmp_path, "colour", f"{PYTHON}-{PYTHON}-manylinux_2_17_aarch64")
    requirements = listed(tmp_path, f"colour==1.0 {here} {there if known else ''}")
    out = tmp_path / "out.zip"
    if not known:
        with pytest.raises(DeployError, match="could not install colour==1"):
            build_libraries(out, [requirements], "arm64")
        return
    build_libraries(out, [requirements], "arm64")
    with zipfile.ZipFile(out) as archive:
        assert b"aarch64" in archive.read("colour.py")


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
        build_libraries(tmp_path / "out.zip", [listed(tmp_path, f"colour==1.0 {here} {there}")], "arm64")
    assert not ran.exists()


def test_each_package_has_a_list_of_its_own_with_the_options_of_all() -> None:
    text = (
        "# a comment\n--index-url https://example/simple\nPy_Colour[deep]==1.0 ; python_version < '3.14' \\\n"
        "    --hash=sha256:aa \\\n    --hash=sha256:bb\nshade==2.0  # without\n"
    )
    assert package_lists(text) == {
        "py-colour==1.0": "--index-url https://example/simple\npy-colour==1.0 --hash=sha256:aa --hash=sha256:bb\n"
    }
