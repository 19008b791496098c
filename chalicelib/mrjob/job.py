"""MRJob: what an mrjob job derives from, and how it is started. docs/mrjob.md says what differs from mrjob."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from ..core.errors import UserError
from .definition import JobDefinition
from .step import StepFailedException
from .support.options import log

if TYPE_CHECKING:
    from ..job.job import Job
    from .runner import Runner


class MRJob(JobDefinition):
    """A job as mrjob has it, which can be run."""

    @classmethod
    def sluice_job(cls) -> type[Job]:
        """The job as Sluice's engines run it; its command line is `params.args`."""
        from .adapt import adapt

        return adapt(cls)

    # -- running -----------------------------------------------------------------------------------------

    @classmethod
    def run(cls) -> None:
        """What `if __name__ == "__main__":` calls: do what the command line says."""
        cls().execute()

    def execute(self) -> None:
        chosen = self.options
        for role in ("mapper", "combiner", "reducer"):
            if getattr(chosen, f"run_{role}"):
                getattr(self, f"run_{role}")(chosen.step_num)
                return
        self.run_job()

    def run_job(self) -> None:
        """Run all steps and print the output, unless it goes to a folder. Ends the process if the run fails."""
        level = (
            logging.ERROR if self.options.quiet else logging.DEBUG if self.options.verbose else logging.INFO
        )
        logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
        logging.getLogger("chalicelib").setLevel(logging.ERROR)
        log.setLevel(level)
        try:
            with self.make_runner() as runner:
                runner.run()
                runner.log_counters()
                if self._prints:
                    for chunk in runner.cat_output():
                        self.stdout.write(chunk)
                    self.stdout.flush()
        except (StepFailedException, UserError) as error:
            log.error("%s", error)
            raise SystemExit(1) from error

    @property
    def _prints(self) -> bool:
        wanted: bool | None = self.options.cat_output
        return not self.options.output_dir if wanted is None else wanted

    def make_runner(self) -> Runner:
        """`with job.make_runner() as runner: runner.run()`."""
        from .runner import make_runner

        return make_runner(self)
