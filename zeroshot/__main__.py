"""``python -m zeroshot``."""

from zeroshot.cli import main

raise SystemExit(main())
