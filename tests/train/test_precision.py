import pytest
import torch

from camelid.errors import RunError
from camelid.model.config import shape_from_depth
from camelid.train import precision

CONFIG = shape_from_depth(2, vocab_size=300, context=64)


def _plan(**options):
    return precision.measure_plan(CONFIG, batch_rows=16, context=64, **options)


def test_a_short_stage_is_not_compiled_and_the_format_is_the_faster_one(monkeypatch):
    rates = {torch.float32: 1e9, torch.bfloat16: 3e9}
    monkeypatch.setattr(precision, "_matmul_rate", lambda config, dtype, device: rates[dtype])
    plan = _plan(tokens=1000)
    assert (plan.dtype, plan.compile, plan.rate_flops, plan.micro_rows) == ("bfloat16", False, 3e9, 16)
    rates[torch.bfloat16] = 0.5e9
    assert _plan(tokens=1000).dtype == "float32"


def test_a_long_stage_is_compiled_where_that_works(monkeypatch):
    monkeypatch.setattr(precision, "why_not_compile", lambda device: "")
    assert _plan(seconds=3600).compile and not _plan(seconds=3600, compile="no").compile
    monkeypatch.setattr(precision, "why_not_compile", lambda device: "no compiler")
    plan = _plan(seconds=3600)
    assert (plan.compile, plan.reason) == (False, "no compiler")
    with pytest.raises(RunError, match='compile = "yes", but torch cannot compile here: no compiler'):
        _plan(seconds=3600, compile="yes")


def test_a_compiler_that_fails_is_noticed(monkeypatch):
    def fail(function):
        def run(*arguments):
            raise RuntimeError("C++ compile error\nfatal error: Python.h: No such file or directory")

        return run

    monkeypatch.setattr(torch, "compile", fail)
    precision._try_compiler.cache_clear()
    assert "error" in precision.why_not_compile("cpu")
    monkeypatch.setattr(precision.shutil, "which", lambda name: None)
    precision._try_compiler.cache_clear()
    assert "no C++ compiler" in precision.why_not_compile("cpu")
    precision._try_compiler.cache_clear()


def test_rows_at_a_time_are_bounded():
    plan = precision.measure_plan(CONFIG, batch_rows=10_000, context=512, tokens=1)
    assert plan.micro_rows * 512 <= precision.MICRO_TOKENS
