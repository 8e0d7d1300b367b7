"""Lines of the server's log become hits: a map operation over `src/mapper.py`."""

from yt_framework.core.stage import BaseStage
from yt_framework.operations.command_ops import run_map


class ParseRequests(BaseStage):
    def run(self, debug):
        if not run_map(self.context, self.config.client.operations.map):
            raise RuntimeError("the map operation failed")
        return debug
