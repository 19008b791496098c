"""Zstandard from the standard library (3.14 and later), else from its backport: one place to choose."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports.zstd import ZstdCompressor, ZstdDecompressor, ZstdError, ZstdFile
else:
    from compression.zstd import ZstdCompressor, ZstdDecompressor, ZstdError, ZstdFile

__all__ = ["ZstdCompressor", "ZstdDecompressor", "ZstdError", "ZstdFile"]
