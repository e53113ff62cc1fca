"""launch.py and the virtual environment: lost, broken, foreign and active ones."""

from __future__ import annotations

import shutil
import subprocess


def test_a_python_that_vanished(product):
    product.python.unlink()
    product.python.symlink_to("/nonexistent/python3")
    started = product.launch("--nowebui")
    assert "is gone or broken: the folder is made again" in started.stdout
    assert product.told(started.stdout)["python"] == str(product.python)
    assert product.ask("version('alpha')") == "1.0"


def test_an_environment_left_half_made(product):
    site = product.ask("__import__('sysconfig').get_path('purelib')")
    shutil.rmtree(f"{site}/pip")
    (product.root / ".venv" / "sdapi-compat.json").unlink()
    started = product.launch("--exit")
    assert started.returncode == 0, started.stdout
    assert "Adding pip to" in started.stdout
    assert product.ask("version('alpha')") == "1.0"


def test_a_venv_that_is_something_else_is_left_alone(bare):
    (bare.root / ".venv").mkdir()
    (bare.root / ".venv" / "thesis.txt").write_text("years of work")
    started = bare.launch("--nowebui")
    assert started.returncode == 1
    assert "does not look like one" in started.stdout
    assert (bare.root / ".venv" / "thesis.txt").exists()


def test_no_ensurepip(bare, bare_python):
    code = (
        "import runpy, sys; sys.modules['ensurepip'] = None; sys.argv[0] = 'launch.py'; "
        f"runpy.run_path({str(bare.root / 'launch.py')!r}, run_name='__main__')"
    )
    command = [bare_python, "-c", code, "--nowebui"]
    environ = {**bare.environ, "PYTHONPATH": str(bare.root)}
    failed = subprocess.run(
        command, env=environ, cwd=bare.root, capture_output=True, text=True, check=False, timeout=120
    )
    assert failed.returncode == 1
    assert "comes without its module ensurepip" in failed.stderr
    assert "sudo apt install python3." in failed.stderr
    assert not (bare.root / ".venv").exists()


def test_the_active_environment_is_used(product, bare_python):
    other = product.root.parent / "mine"
    subprocess.run([bare_python, "-m", "venv", str(other)], check=True)
    python = other / product.python.relative_to(product.root / ".venv")
    shutil.rmtree(product.root / ".venv")
    command = [str(python), str(product.root / "launch.py"), "--nowebui"]
    started = subprocess.run(
        command, env=product.environ, cwd=product.root.parent, capture_output=True, text=True, check=False
    )
    assert product.told(started.stdout)["python"] == str(python)
    assert not (product.root / ".venv").exists()
