"""``python -m pillarbox``."""

from __future__ import annotations

import sys

from pillarbox.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
