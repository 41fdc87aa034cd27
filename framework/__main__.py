"""``python -m framework``."""

import sys

from framework.cli.commands import main

sys.exit(main())
