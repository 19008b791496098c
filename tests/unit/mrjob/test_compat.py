"""Hadoop's settings by their old and new names. What mrjob itself says of them: tests/features/mrjob/same_lines."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.mrjob import compat


def test_a_setting_is_found_under_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mapred_job_name", "words")
    assert compat.jobconf_from_env("mapreduce.job.name") == "words"
    assert compat.jobconf_from_env("mapred.job.name") == "words"
    assert compat.jobconf_from_env("mapreduce.job.id") is None
    assert compat.jobconf_from_env("mapreduce.job.id", "7") == "7"


def test_names_come_in_pairs_that_lead_to_each_other() -> None:
    for old, new in compat._RENAMED:
        assert compat.translate_jobconf(old, "2.7.1") == new
        assert compat.translate_jobconf(new, "1.2") == old
        assert compat.jobconf_from_dict({old: 3}, new) == compat.jobconf_from_dict({new: 3}, old) == 3
    assert compat.translate_jobconf("my.own", "2") == "my.own"


@pytest.mark.parametrize("call", [compat.version_gte, compat.translate_jobconf])
def test_a_version_that_is_no_text_is_refused(call: Any) -> None:
    with pytest.raises(TypeError, match=r"expected text such as '2\.7'"):
        call("mapred.job.id", None)


def test_versions_are_compared_by_their_numbers() -> None:
    assert compat.version_gte("0.23.10", "0.23.9")
    assert [compat.uses_yarn(version) for version in ("0.20", "0.23", "1.2", "2.7")] == [
        False,
        True,
        False,
        True,
    ]
    assert compat.map_version("3", [("1", "a"), ("2", "b")]) == "b"
    assert compat.map_version("0.1", {"1": "a"}) == "a"
    with pytest.raises(ValueError, match="at least one version"):
        compat.map_version("1", {})
