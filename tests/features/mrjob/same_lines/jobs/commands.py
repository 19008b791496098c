"""Programs alone, by methods: no protocol is asked."""

from mrjob.job import MRJob
from mrjob.util import cmd_line


class Commands(MRJob):
    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("-e", "--expression", required=True)

    def mapper_cmd(self):
        inner = "grep -e %s || test $? -eq 1" % cmd_line([self.options.expression])
        return cmd_line(["sh", "-c", inner])

    def reducer_cmd(self):
        return "cut -c 1-20"


if __name__ == "__main__":
    Commands.run()
