"""Which jobs are run, over what, and by which runners. Nothing but the standard library."""

from dataclasses import dataclass, field

BOTH = ("inline", "local")


@dataclass(frozen=True)
class Case:
    """`inputs` are names of `inputs.py`'s files; `{in}` in an argument is their folder."""

    job: str
    args: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("text.txt",)
    stdin: bytes = b""
    #: mrjob's inline runner refuses programs; ours runs them under both names.
    theirs: tuple[str, ...] = BOTH
    #: The run has to fail.
    fails: bool = False
    env: dict[str, str] = field(default_factory=dict)


_LOCAL = ("local",)
_PACKED = ("text.gz",)  # one task, for mrjob cuts what is not packed by the machine's processors

CASES: dict[str, Case] = {
    "words": Case("words"),
    "words of packed files, folders and stdin": Case(
        "words", (), ("text.gz", "more.bz2", "-"), b"fox from stdin\nno end"
    ),
    "words of stdin": Case("words", (), (), b"b a\nb\n"),
    "words of two files": Case("words", (), ("text.txt", "more.txt")),
    "letters": Case("letters"),
    "favourite": Case("favourite"),
    "favourite, other stop words": Case("favourite", ("--stop-file", "{in}/words_a.txt")),
    "followers": Case("followers"),
    "chain": Case("chain"),
    "hooks": Case("hooks", (), _PACKED),
    "hooks_alone": Case("hooks_alone", (), _PACKED),
    "tally": Case("tally", (), ("text.txt", "more.txt")),
    "by_file": Case("by_file", (), ("text.txt", "more.txt", "text.gz")),
    "by_file_in_hooks": Case("by_file_in_hooks", (), ("text.txt", "more.txt", "text.gz")),
    "json_values": Case("json_values", (), ("sales.jsonl",)),
    "doubler": Case("doubler", ("-n", "3"), ("pairs.txt",)),
    "text_pairs": Case("text_pairs", (), ("fields.txt",)),
    "raw_pairs": Case("raw_pairs", (), ("fields.txt",)),
    "bytes_pairs": Case("bytes_pairs", (), ("odd.txt",)),
    "reprs": Case("reprs"),
    "own_protocol": Case("own_protocol"),
    "picks": Case("picks"),
    "by_option": Case("by_option"),
    "by_option, json": Case("by_option", ("--output-format=json",)),
    "sorted_groups": Case("sorted_groups", (), ("text.txt", "more.txt")),
    "reversed_text": Case("reversed_text"),
    "no_reducer": Case("no_reducer", (), _PACKED),
    "only_reducer": Case("only_reducer", (), ("pairs.txt",)),
    "combines_alone": Case("combines_alone", (), _PACKED),
    "arguments": Case("arguments"),
    "arguments, all": Case(
        "arguments", ("--chars", "--ignore", " ", "--ignore=e", "--least", "3", "-w", "0.5", "--mark=-x-")
    ),
    "runner_aware": Case("runner_aware"),
    "runner_unaware": Case("runner_unaware"),
    "tower": Case("tower", ("--height-file", "{in}/height.txt"), ("numbers.txt",)),
    "named_files": Case("named_files", ("--list", "{in}/words_a.txt", "--list={in}/words_b.txt#other.txt")),
    "counters": Case("counters"),
    "status": Case("status", theirs=_LOCAL),
    "settings": Case("settings", (), ("one_line.txt",)),
    "settings, by the command line": Case(
        "settings", ("-D", "own.limit=9", "--jobconf", "user.defined=x=y"), ("one_line.txt",)
    ),
    "task_settings": Case("task_settings", (), ("one_line.txt",)),
    "variables": Case(
        "variables", ("--cmdenv", "GREETING=good day", "--cmdenv", "EMPTY=", "--cmdenv=OWN_PATH=/a:/b")
    ),
    "library": Case("library"),
    "uploads": Case("uploads"),
    "uploads, more": Case(
        "uploads",
        (
            "--files",
            "{in}/words_a.txt,{in}/height.txt#h",
            "--dirs",
            "turning#second",
            "--archives=packed.zip#again",
        ),
    ),
    "by_methods": Case("by_methods"),
    "writes_files": Case("writes_files", (), ("text.txt", "more.txt")),
    "command_mapper": Case("command_mapper", theirs=_LOCAL),
    "command_reducer": Case("command_reducer", theirs=_LOCAL),
    "command_combiner": Case("command_combiner", theirs=_LOCAL),
    "commands": Case("commands", ("-e", "the fox"), theirs=_LOCAL),
    "commands, no line": Case("commands", ("-e", "none such"), theirs=_LOCAL),
    "command_counts": Case("command_counts", (), _PACKED, theirs=_LOCAL),
    "command_steps": Case("command_steps", theirs=_LOCAL),
    "filtered": Case("filtered", theirs=_LOCAL),
    "filtered, no line": Case("filtered", ("--word=none such",), _PACKED, theirs=_LOCAL),
    "filtered_groups": Case("filtered_groups", theirs=_LOCAL),
    "filter_alone": Case("filter_alone", theirs=_LOCAL),
    "whole_files": Case("whole_files", (), ("text.txt", "more.txt")),
    "classifier": Case("classifier", (), ("text.txt", "more.txt")),
    "helpers": Case("helpers", (), ("one_line.txt",)),
    "both_pythons": Case("both_pythons", (), ("one_line.txt",)),
    "versions": Case("versions", (), ("one_line.txt",)),
    "for_hadoop": Case("for_hadoop"),
    "odd_keys": Case("odd_keys"),
    "takes_few": Case("takes_few"),
    "sampler": Case("sampler", ("--size", "3")),
    "heir": Case("heir"),
    "wide_lines": Case("wide_lines", (), ("odd.txt",)),
    "boom": Case("boom", fails=True),
    "leaves": Case("leaves", fails=True),
    "bad_command": Case("bad_command", theirs=_LOCAL, fails=True),
}
