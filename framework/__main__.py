"""``python -m framework``, and the installed command."""

import gc
import os
import sys


def main() -> int:
    """Run the command line; return its exit code. An interrupt ends it in order, a second one at once."""
    from framework.cli import signals

    signals.install()
    gc.disable()  # until all is loaded, which stays: the search for garbage among it takes a tenth of the time
    try:
        from framework.cli.commands import main as command

        code = command()
        signals.end_at_once_from_now_on()
        return code
    except KeyboardInterrupt:  # outside of the command's own handling: while it is imported, or as it returns
        sys.stderr.write("error: interrupted\n")
        sys.stderr.flush()
        os._exit(signals.EXIT_CODE)  # an interrupted import may have left anything behind


if __name__ == "__main__":
    sys.exit(main())
