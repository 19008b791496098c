"""The names of mrjob.py2."""

from mrjob.job import MRJob
from mrjob.py2 import StringIO, integer_types, string_types, to_unicode, urljoin, urlparse, xrange


class BothPythons(MRJob):
    def mapper(self, _, line):
        assert isinstance(line, string_types)
        assert isinstance(3, integer_types)
        address = urlparse("http://example.com/%s?q" % line[:3].strip())
        yield address.netloc, urljoin("http://a/b", to_unicode(b"c"))
        print("x", file=StringIO())
        for number in xrange(2):
            yield number, address.path

    def reducer(self, key, values):
        yield key, sorted(values)


if __name__ == "__main__":
    BothPythons.run()
