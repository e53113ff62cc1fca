from __future__ import annotations

from sdapi_compat import bundled as module
from sdapi_compat.bundled import bundled


def test_in_a_checkout_the_folders_lie_beside_the_package(repository_root):
    assert bundled("scripts") == repository_root / "scripts"


def test_an_installed_package_carries_them(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "site-packages" / "sdapi_compat")
    inside = tmp_path / "site-packages" / "sdapi_compat" / "_bundled" / "scripts"
    inside.mkdir(parents=True)
    # A folder of this name beside an installed package would be another package's.
    (tmp_path / "site-packages" / "scripts").mkdir()
    assert bundled("scripts") == inside
