"""First module of the frozen program; `multiprocessing` starts its children here too."""

import sys

from saliency_viewer.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
