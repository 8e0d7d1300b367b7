"""The commands of API v3 and v4: their descriptors, their parameters, and what each does.

Descriptors (input, output, volatile, heavy) are those of the driver (yt/yt/client/driver/driver.cpp; README.md). To add
a command, write a function that takes a `Request` and gives its answer, and put it into the `COMMANDS` of its module.
"""

from proxy.commands.command import Command, Download, Request
from proxy.commands.execution import begin, describe_all, execute, find, prepare

__all__ = ["Command", "Download", "Request", "begin", "describe_all", "execute", "find", "prepare"]
