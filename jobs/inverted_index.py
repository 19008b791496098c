"""An inverted index: for each word the objects that hold it, in order, each with how often it does.

    scripts/run.py inverted_index texts/ --output index/

An object is one document; `_READY` in its folder (or a manifest) indexes all of them together.
"""

import re
from collections import Counter

from chalicelib import Collect, Job

WORD = re.compile(r"\w+")


class InvertedIndex(Job):
    def mapper(self, document, text):
        for word, count in Counter(WORD.findall(text.lower())).items():
            yield word, (document, count)

    reducer = Collect(limit=100_000)
