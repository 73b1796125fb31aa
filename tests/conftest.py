"""What holds for every test: one thread each, and nothing beyond this machine."""

import os

# Two test processes on two cores are faster with one thread each; subprocesses inherit it.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
