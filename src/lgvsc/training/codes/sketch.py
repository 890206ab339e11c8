"""``lgvsc train sketch``: the trainer of ``deepjscc.py`` on sketches instead of pictures."""

from lgvsc.training.arguments import Trainer
from lgvsc.training.codes import deepjscc

main = Trainer("sketch", deepjscc.train_on_sketches, deepjscc.SKETCH, deepjscc.__doc__)

if __name__ == "__main__":
    main()
