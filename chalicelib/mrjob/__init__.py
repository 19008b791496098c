"""A drop-in for mrjob: its jobs run with only their imports changed.

    from chalicelib.mrjob import MRJob, MRStep, JSONValueProtocol

docs/mrjob.md says what works, what is refused and why.

May import every other room but `functions` and `aws`. Read `definition.py` first (what a job may define), then
`job.py` and `tasks.py`.
"""

from typing import TYPE_CHECKING, NoReturn

from ..core.errors import UserError
from .environment import jobconf_from_env
from .job import MRJob
from .protocols import (
    BytesProtocol,
    BytesValueProtocol,
    JSONProtocol,
    JSONValueProtocol,
    PickleProtocol,
    PickleValueProtocol,
    RapidJSONProtocol,
    RapidJSONValueProtocol,
    RawProtocol,
    RawValueProtocol,
    ReprProtocol,
    ReprValueProtocol,
    SimpleJSONProtocol,
    SimpleJSONValueProtocol,
    StandardJSONProtocol,
    StandardJSONValueProtocol,
    TextProtocol,
    TextValueProtocol,
    UltraJSONProtocol,
    UltraJSONValueProtocol,
)
from .steps import MRStep, StepFailedException, to_lines

__all__ = [
    "BytesProtocol",
    "BytesValueProtocol",
    "JSONProtocol",
    "JSONValueProtocol",
    "MRJob",
    "MRStep",
    "PickleProtocol",
    "PickleValueProtocol",
    "RapidJSONProtocol",
    "RapidJSONValueProtocol",
    "RawProtocol",
    "RawValueProtocol",
    "ReprProtocol",
    "ReprValueProtocol",
    "SimpleJSONProtocol",
    "SimpleJSONValueProtocol",
    "StandardJSONProtocol",
    "StandardJSONValueProtocol",
    "StepFailedException",
    "TextProtocol",
    "TextValueProtocol",
    "UltraJSONProtocol",
    "UltraJSONValueProtocol",
    "jobconf_from_env",
    "to_lines",
]

_ELSEWHERE = {
    "JarStep": "there is no Java",
    "SparkStep": "there is no Spark",
    "SparkJarStep": "there is no Spark",
    "SparkScriptStep": "there is no Spark",
}


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> NoReturn:
        if name in _ELSEWHERE:
            raise UserError(f"{name} is not supported: {_ELSEWHERE[name]}; expected MRStep")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
