"""Lines in the host's log, under the plugin's name. The host cuts them at 4 KiB and limits their rate."""

import sys

LEVELS = ("debug", "info", "warn", "error")


def _to_stderr(level, message):
    print(f"{level}: {message}", file=sys.stderr)


#: Where lines go: the component replaces it; a test may.
sink = _to_stderr


def debug(message):
    sink("debug", str(message))


def info(message):
    sink("info", str(message))


def warn(message):
    sink("warn", str(message))


def error(message):
    sink("error", str(message))
