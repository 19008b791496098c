"""The bill of materials of a zip (SBOM), in CycloneDX: what it holds, read from the zip itself.

Each library by name, version and licence, as its own metadata in the zip say; each other file by its SHA-256. The whole
has the zip's SHA-256, also as Lambda tells it of a deployed function (`CodeSha256`), so that the two can be compared.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import uuid
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from chalicelib.job.code_digest import VERSION

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

#: What is no library of others: these, and all below them.
_OWN = frozenset({"app.py", "chalicelib", "jobs", "sluice.yml"})
#: The longest text that is taken for a licence's name, and not for all of the licence.
_LONGEST_NAME = 80


def bill_of_materials(zipped: Path, job: str) -> str:
    """The bill of the zip of `job`, as JSON of CycloneDX 1.6. The same zip has the same serial number."""
    from cyclonedx.model import (  # slow to import, and only deployments write one
        HashAlgorithm,
        HashType,
        Property,
    )
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    digest = hashlib.sha256(zipped.read_bytes()).digest()
    whole = Component(
        name=f"sluice-{job}",
        type=ComponentType.APPLICATION,
        version=VERSION,
        bom_ref=f"sluice-{job}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.hex())],
        properties=[Property(name="aws:lambda:CodeSha256", value=base64.b64encode(digest).decode())],
    )
    with zipfile.ZipFile(zipped) as archive:
        found = [*_libraries(archive), *_files(archive)]
    bom = Bom(
        components=found,
        metadata=BomMetaData(component=whole),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest.hex()),
    )
    bom.register_dependency(whole, found)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _libraries(archive: zipfile.ZipFile) -> Iterator[Component]:
    """What `requirements` brought, and Chalice, of which two files are in every zip without its metadata."""
    for name in sorted(archive.namelist()):
        if name.endswith(".dist-info/METADATA"):
            told = HeaderParser().parsestr(archive.read(name).decode())
            classified = [text for text in told.get_all("Classifier", ()) if text.startswith("License ::")]
            licence = (
                told["License-Expression"] or told["License"] or "".join(classified[:1]).rpartition(" :: ")[2]
            )
            yield _library(told["Name"], told["Version"], licence, told["Summary"] or "")
    yield _library(
        "chalice", importlib.metadata.version("chalice"), "Apache-2.0", "its runtime: app.py alone"
    )


def _library(name: str, version: str, licence: str, summary: str) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        description=summary,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=_licences(licence.strip()),
    )


def _licences(text: str) -> list[LicenseExpression | DisjunctiveLicense]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    short = 0 < len(text) <= _LONGEST_NAME and "\n" not in text
    return [LicenseFactory().make_from_string(text)] if short else []


def _files(archive: zipfile.ZipFile) -> Iterator[Component]:
    """Our modules, the job's and its side files. What Python made of them is a function of them."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    for name in sorted(archive.namelist()):
        path = PurePosixPath(name)
        if path.parts[0] in _OWN and path.suffix != ".pyc":
            digest = hashlib.sha256(archive.read(name)).hexdigest()
            hashed = HashType(alg=HashAlgorithm.SHA_256, content=digest)
            yield Component(name=name, type=ComponentType.FILE, bom_ref=f"file:{name}", hashes=[hashed])
