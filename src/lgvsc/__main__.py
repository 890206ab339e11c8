"""``python -m lgvsc`` is the command ``lgvsc``."""

from lgvsc.cli.main import main

main()
