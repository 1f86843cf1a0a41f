"""`python -m plantkeeper_hil` is `hil`."""

import sys

from plantkeeper_hil.cli import main

sys.exit(main())
