"""Settings for a Hadoop that is not there: formats, jars, a partitioner."""

from mrjob.job import MRJob


class ForHadoop(MRJob):
    HADOOP_INPUT_FORMAT = "org.example.Input"
    HADOOP_OUTPUT_FORMAT = "org.example.Output"
    LIBJARS = ["none.jar"]
    PARTITIONER = "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"
    JOBCONF = {"mapreduce.partition.keypartitioner.options": "-k1,1"}

    def mapper(self, _, line):
        yield len(line), line[:1]

    def reducer(self, length, letters):
        yield length, "".join(letters)


if __name__ == "__main__":
    ForHadoop.run()
