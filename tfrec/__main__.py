"""`python -m tfrec` is `tfrec`."""

import sys

from tfrec.cli import main

if __name__ == "__main__":
    sys.exit(main())
