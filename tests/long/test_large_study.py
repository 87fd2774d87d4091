"""A study of 10 GB, scrolled and cut in less than 1 GB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
GIB = 1 << 30


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads VmHWM in /proc")
def test_ten_gigabytes_in_one() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.long.large_study"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["nbytes"] > 10 * 10**9
    assert told["peak"] < GIB
    assert told["kept"] <= 512 << 20
    assert told["fetched"] >= 20_000  # the cut went through all of it
    assert told["fetched_to_show"] == 1
