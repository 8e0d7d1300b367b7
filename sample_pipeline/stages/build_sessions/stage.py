"""Hits become sessions (map-reduce), sessions become the report by country (sort, then reduce)."""

from yt_framework.core.stage import BaseStage
from yt_framework.operations.command_ops import run_map_reduce, run_reduce, run_sort

# With `tar_command_bootstrap` the framework puts the wrapper's command in its place. The older names of the arguments
# are meant: given as `map_job`, `reduce_job` and `job`, yt-framework 1.4.4 finds two different commands and stops.
WRAPPER = "the wrapper in source.tar.gz"


class BuildSessions(BaseStage):
    def run(self, debug):
        operations = self.config.client.operations
        if not run_map_reduce(self.context, operations.map_reduce, mapper=WRAPPER, reducer=WRAPPER):
            raise RuntimeError("the map-reduce operation failed")
        run_sort(self.context, operations.sort)
        if not run_reduce(self.context, operations.reduce, reducer=WRAPPER):
            raise RuntimeError("the reduce operation failed")
        for row in self.deps.yt_client.read_table(operations.reduce.output_table):
            self.logger.info("%(country)s: %(sessions)d sessions, %(pages)d pages", row)
        return debug
