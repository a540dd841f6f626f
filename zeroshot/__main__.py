"""``python -m zeroshot``."""

import os
import sys

# As the command ``zeroshot`` does it: what lies in the current folder is no module of ours.
if sys.path and sys.path[0] == os.getcwd():
    del sys.path[0]

from zeroshot.cli.main import main

raise SystemExit(main())
