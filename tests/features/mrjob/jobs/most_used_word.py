"""mrjob's example of two steps, a side file and a file option: the word used most, stop words aside."""

import re

from chalicelib.mrjob import JSONValueProtocol, MRJob, MRStep

WORD_RE = re.compile(r"[\w']+")


class MRMostUsedWord(MRJob):
    FILES = ["stop_words.txt"]  # noqa: RUF012 - as it was

    OUTPUT_PROTOCOL = JSONValueProtocol

    def configure_args(self):
        super().configure_args()
        self.add_file_arg("--stop-words-file", dest="stop_words_file", default=None)

    def mapper_init(self):
        stop_words_path = self.options.stop_words_file or "stop_words.txt"

        with open(stop_words_path) as f:
            self.stop_words = {line.strip() for line in f}

    def mapper_get_words(self, _, line):
        for word in WORD_RE.findall(line):
            word = word.lower()
            if word not in self.stop_words:
                yield (word, 1)

    def combiner_count_words(self, word, counts):
        yield (word, sum(counts))

    def reducer_count_words(self, word, counts):
        # send all (num_occurrences, word) pairs to the same reducer
        yield None, (sum(counts), word)

    def reducer_find_max_word(self, _, word_count_pairs):
        try:  # noqa: SIM105
            yield max(word_count_pairs)
        except ValueError:
            pass

    def steps(self):
        return [
            MRStep(
                mapper_init=self.mapper_init,
                mapper=self.mapper_get_words,
                combiner=self.combiner_count_words,
                reducer=self.reducer_count_words,
            ),
            MRStep(reducer=self.reducer_find_max_word),
        ]


if __name__ == "__main__":
    MRMostUsedWord.run()
