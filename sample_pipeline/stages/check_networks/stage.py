"""Has a job look at the networks as the archive holds them, and stops the pipeline if they are wrong."""

from yt_framework.core.stage import BaseStage
from yt_framework.operations.command_ops import run_vanilla


class CheckNetworks(BaseStage):
    def run(self, debug):
        if not run_vanilla(self.context, self.config.client.operations.vanilla):
            raise RuntimeError("the networks of lib/geo are not in order")
        return debug
