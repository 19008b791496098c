"""Tiny jobs, each for one promise of the drop-in."""

import ast
import os

from chalicelib.mrjob import (
    BytesValueProtocol,
    JSONProtocol,
    JSONValueProtocol,
    MRJob,
    MRStep,
    RawProtocol,
    RawValueProtocol,
    ReprProtocol,
    ReprValueProtocol,
    jobconf_from_env,
)


class MRInitJob(MRJob):
    """mrjob's example of a test: each role's init is called once, on an instance of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.sum_amount = 0
        self.multiplier = 0
        self.combiner_multiplier = 1

    def mapper_init(self):
        self.sum_amount += 10

    def mapper(self, key, value):
        yield None, self.sum_amount

    def reducer_init(self):
        self.multiplier += 10

    def reducer(self, key, values):
        yield None, sum(values) * self.multiplier

    def combiner_init(self):
        self.combiner_multiplier += 1

    def combiner(self, key, values):
        yield None, sum(values) * self.combiner_multiplier


class MRFinals(MRJob):
    """What the finals yield counts, and `mapper` yields nothing."""

    def mapper_init(self):
        self.words = 0

    def mapper(self, _, line):
        self.words += len(line.split())

    def mapper_final(self):
        yield "words", self.words

    def combiner_init(self):
        self.groups = 0

    def combiner(self, key, values):
        self.groups += 1
        yield key, sum(values)

    def combiner_final(self):
        yield "combined groups", self.groups

    def reducer_init(self):
        self.seen = []

    def reducer(self, key, values):
        self.seen.append(key)
        yield key, sum(values)

    def reducer_final(self):
        yield "keys", self.seen


class MRCounters(MRJob):
    def mapper(self, _, line):
        self.increment_counter("lines", "all")
        self.increment_counter("lines", "of, characters", len(line))
        self.set_status("mapping")
        yield line, 1

    def reducer(self, line, ones):
        self.increment_counter(Exception("groups"), "distinct")
        yield line, sum(ones)


class MRSortValues(MRJob):
    """Values come as their lines are sorted, which is not the numbers' order."""

    SORT_VALUES = True

    def mapper(self, _, line):
        key, value = line.split()
        yield key, ast.literal_eval(value)

    def reducer(self, key, values):
        yield key, list(values)


class MROddKeys(MRJob):
    """Keys that no dictionary takes, and of several types in one job."""

    def mapper(self, _, line):
        yield ast.literal_eval(line), 1

    def reducer(self, key, ones):
        yield key, [type(key).__name__, sum(ones)]


class MRThreshold(MRJob):
    """Options reach tasks; steps depend on them; load_args may work on them."""

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--least", type=int, default=1)
        self.add_passthru_arg("--upper", action="store_true")
        self.add_passthru_arg("--prefix", default="")

    def load_args(self, args):
        super().load_args(args)
        self.shown = self.options.prefix + ("UPPER" if self.options.upper else "as it is")

    def words(self, _, line):
        for word in line.split():
            yield word.upper() if self.options.upper else word, 1

    def count(self, word, ones):
        total = sum(ones)
        if total >= self.options.least:
            yield word, [total, self.shown]

    def steps(self):
        return [MRStep(mapper=self.words, reducer=self.count)]


class MRFromJSON(MRJob):
    INPUT_PROTOCOL = JSONValueProtocol
    OUTPUT_PROTOCOL = JSONValueProtocol

    def mapper(self, _, record):
        yield record["user"], record["score"]

    def reducer(self, user, scores):
        yield user, {"user": user, "best": max(scores)}


class MRPairsIn(MRJob):
    """Input of keys and values; tuples live through the repr protocol."""

    INPUT_PROTOCOL = JSONProtocol
    INTERNAL_PROTOCOL = ReprProtocol
    OUTPUT_PROTOCOL = ReprValueProtocol

    def mapper(self, key, value):
        yield tuple(key), {value}

    def reducer(self, key, values):
        yield None, (key, set.union(*values))


class MRRaw(MRJob):
    """Keys and values as text: a line without a tab is a key alone."""

    INPUT_PROTOCOL = RawProtocol
    INTERNAL_PROTOCOL = RawProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def reducer(self, key, values):
        yield key, "+".join("none" if value is None else value for value in values)


class MRKeyless(MRJob):
    """An internal protocol without keys: all lines are one group, in the order of their first fields."""

    INTERNAL_PROTOCOL = RawValueProtocol
    OUTPUT_PROTOCOL = RawValueProtocol

    def mapper(self, _, line):
        yield "dropped", line

    def reducer(self, key, lines):
        yield None, f"{key}: {'|'.join(lines)}"


class MRBytes(MRJob):
    INPUT_PROTOCOL = BytesValueProtocol
    OUTPUT_PROTOCOL = BytesValueProtocol

    def mapper(self, _, line):
        yield None, line[::-1]


class MRNoReducer(MRJob):
    """Lines out in the order in which lines came in."""

    OUTPUT_PROTOCOL = RawValueProtocol

    def mapper(self, _, line):
        yield None, line.upper()


class MRMapTwice(MRJob):
    """A step without a reducer feeds the mapper of the next, through the internal protocol."""

    def pairs(self, _, line):
        yield (line, 1), (2, 3)

    def check(self, key, value):
        yield key[0], [type(key).__name__, value]

    def gather(self, key, values):
        yield key, sorted(values)

    def steps(self):
        return [MRStep(mapper=self.pairs), MRStep(mapper=self.check, reducer=self.gather)]


class MRRawFiles(MRJob):
    """Whole files, with where they come from."""

    def mapper_raw(self, path, uri):
        with open(path, "rb") as file:
            yield os.path.basename(uri), len(file.read())

    def reducer(self, name, sizes):
        yield name, sum(sizes)


class MRByFile(MRJob):
    def mapper(self, _, line):
        yield os.path.basename(jobconf_from_env("mapreduce.map.input.file")), 1

    def reducer(self, name, ones):
        yield name, sum(ones)


class MRRaises(MRJob):
    def mapper(self, _, line):
        yield line, 1 / (len(line) - 3)

    def reducer(self, line, values):
        yield line, list(values)


class Semicolons:
    """A protocol of the user's own, made with an argument."""

    def __init__(self, sign):
        self.sign = sign

    def read(self, line):
        key, value = line.split(self.sign, 1)
        return key.decode(), value.decode()

    def write(self, key, value):
        return f"{key}\t{value}".encode()


class MROwnProtocol(MRJob):
    def input_protocol(self):
        return Semicolons(b";")

    def internal_protocol(self):
        return Semicolons(b"\t")

    def output_protocol(self):
        return Semicolons(b"\t")

    def reducer(self, key, values):
        yield key, max(values)


class MRPrograms(MRJob):
    """A filter before the mapper, one before the combiner, and a program that reduces."""

    def words(self, _, line):
        for word in line.split():
            yield word.lower(), 1

    def add(self, word, counts):
        yield word, sum(counts)

    def steps(self):
        return [
            MRStep(
                mapper_pre_filter="grep -v naïve",
                mapper=self.words,
                combiner_pre_filter="cat",
                combiner=self.add,
                reducer=self.add,
            ),
            MRStep(reducer_cmd="cut -f 1"),
        ]


class MRPerObject(MRJob):
    """init and final of each object, though a task has several; a line that is no number is bad."""

    def mapper_init(self):
        self.name = jobconf_from_env("mapreduce.map.input.file")
        self.sum = 0

    def mapper(self, _, line):
        self.sum += int(line)

    def mapper_final(self):
        assert self.name == jobconf_from_env("map.input.file")
        yield self.name, self.sum

    def reducer(self, name, sums):
        yield name, sum(sums)
