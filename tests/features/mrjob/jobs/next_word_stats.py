"""mrjob's example of SORT_VALUES: for each word, which words come next, how often and with which percentage."""

import re

from chalicelib.mrjob import MRJob, MRStep

WORD_RE = re.compile(r"[\w']+")


class MRNextWordStats(MRJob):
    SORT_VALUES = True

    def steps(self):
        return [
            MRStep(mapper=self.m_find_words, combiner=self.c_combine_counts, reducer=self.r_sum_counts),
            MRStep(reducer=self.r_compute_stats),
        ]

    def m_find_words(self, _, line):
        prev_word = None

        for word in WORD_RE.findall(line):
            word = word.lower()

            if prev_word is not None:
                yield (prev_word, "*"), 1
                yield (prev_word, word), 1

            prev_word = word

    def c_combine_counts(self, key, counts):
        yield key, sum(counts)

    def r_sum_counts(self, key, counts):
        count = sum(counts)

        prev_word, word = key

        if word == "*":
            # the total is to arrive first, so prefix it with "A", which comes before "B"
            yield prev_word, ("A: total", count)
        else:
            yield prev_word, ("B: stats", (word, count))

    def r_compute_stats(self, prev_word, value):
        total = None

        for value_type, data in value:
            if value_type == "A: total":
                total = data
            else:
                assert value_type == "B: stats"
                word, count = data
                percent = 100.0 * count / total
                yield (prev_word, word), (total, count, percent)


if __name__ == "__main__":
    MRNextWordStats.run()
