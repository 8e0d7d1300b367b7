"""Runs the stages that configs/config.yaml enables: `python pipeline.py`."""

from yt_framework.core.pipeline import DefaultPipeline

if __name__ == "__main__":
    DefaultPipeline.main()
