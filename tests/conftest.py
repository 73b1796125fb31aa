"""What holds for every test: one thread each, and nothing beyond this machine."""

import os

import hypothesis

# Two test processes on two cores are faster with one thread each; subprocesses inherit it.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# How long an example takes is no test: on a busy machine any may take long.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# A sanitized build of the native engine, in place of the installed one: see `make sanitize`.
if _module := os.environ.get("CAMELID_NATIVE"):
    import importlib.util
    import sys

    _spec = importlib.util.spec_from_file_location("camelid.native._native", _module)
    sys.modules["camelid.native._native"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["camelid.native._native"])
