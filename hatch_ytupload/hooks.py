"""What Hatch loads: the registration of the target, the hook and the publisher, each imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_ytupload.plugin.build_hook import YtArchiveBuildHook
    from hatch_ytupload.plugin.builder import YtArchiveBuilder
    from hatch_ytupload.plugin.publisher import YtUploadPublisher


@hookimpl
def hatch_register_builder() -> type[YtArchiveBuilder]:
    """Register the target `ytarchive`."""
    from hatch_ytupload.plugin.builder import YtArchiveBuilder

    return YtArchiveBuilder


@hookimpl
def hatch_register_build_hook() -> type[YtArchiveBuildHook]:
    """Register the build hook `ytarchive`."""
    from hatch_ytupload.plugin.build_hook import YtArchiveBuildHook

    return YtArchiveBuildHook


@hookimpl
def hatch_register_publisher() -> type[YtUploadPublisher]:
    """Register the publisher `ytupload`; only Hatch itself asks for it."""
    from hatch_ytupload.plugin.publisher import YtUploadPublisher

    return YtUploadPublisher
