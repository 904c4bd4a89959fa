"""Starting is fast because nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "matplotlib", "cv2", "scipy", "numba", "skimage", "SimpleITK", "pydicom", "onnxruntime", "highdicom")


def _loaded_by(code: str) -> list[str]:
    code += f"\nimport sys; print('loaded', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split("loaded")[-1].split()


@pytest.mark.parametrize(
    "code",
    [
        "import sonometry",
        "from sonometry.cli.run import run; run(['--help'])",
        "from sonometry.cli.run import run; run(['info', '--help'])",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert _loaded_by(code) == []


def test_help_of_an_application_loads_no_network_library():
    assert "torch" not in _loaded_by(
        "from sonometry.cli.run import run; run(['measure', '--app', 'elastography', '-h'])"
    )


def test_the_package_is_imported_within_the_budget():
    code = "import time; t = time.perf_counter(); import sonometry; print(time.perf_counter() - t)"
    times_s = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout) for _ in "123"
    ]
    assert min(times_s) < 0.3


def test_public_names_are_listed_without_loading_them():
    done = _loaded_by("import sonometry; assert {'read', 'measure', 'simulate'} <= set(dir(sonometry))")
    assert done == []
