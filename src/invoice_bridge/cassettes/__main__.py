"""Record every scenario against the emulators: python -m invoice_bridge.cassettes FOLDER."""

import sys
from pathlib import Path

from invoice_bridge.cassettes.scenarios import record_all

if len(sys.argv) != 2:
    sys.exit("usage: python -m invoice_bridge.cassettes FOLDER")
record_all(Path(sys.argv[1]))
