"""Writes the rows of a file to the first table. No job runs any of it, so there is no `src` to pack."""

import json

from yt_framework.core.stage import BaseStage


class LoadRequests(BaseStage):
    def run(self, debug):
        source = self.deps.configs_dir.parent / self.config.client.source
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        self.deps.yt_client.write_table(self.config.client.output_table, rows)
        return debug
