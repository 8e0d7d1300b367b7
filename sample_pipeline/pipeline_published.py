"""Runs the stages from the published release: `python pipeline_published.py`, with hatch-ytupload installed."""

from yt_framework.core.pipeline import DefaultPipeline

from hatch_ytupload.yt_framework import PublishedCode


class Pipeline(PublishedCode, DefaultPipeline):
    pass


if __name__ == "__main__":
    Pipeline.main()
