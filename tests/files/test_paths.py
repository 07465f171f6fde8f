"""Names that may become file names."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.errors import ConfigError
from rerank_eval.files.paths import check_folder, check_name, resolve_inside


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "~", ".hidden", "-rf", "a b", "a\0b", "a\n", "é", "x" * 101, "a:b"],
)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"the split .* cannot name a file"):
        check_name(name, "the split")


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.text(max_size=8))
def test_what_passes_is_one_part_of_a_path(name: str) -> None:
    try:
        check_name(name, "it")
    except ConfigError:
        return
    root = Path("/root")
    assert resolve_inside(root, name).resolve().parent == root
    assert not name.startswith(".")


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is outside"):
        resolve_inside(tmp_path / "root", "link", "x")
    assert resolve_inside(tmp_path / "root", "plain", "x") == tmp_path / "root" / "plain" / "x"


def test_a_folder_that_cannot_be_made_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "file/deeper"):
        with pytest.raises(ConfigError, match=r"^output_dir: .*/file is no folder; name another"):
            check_folder(tmp_path / folder, "output_dir")
    with pytest.raises(ConfigError, match=r"^output_dir: the name 'n+…' has more than 255 bytes"):
        check_folder(tmp_path / "new" / ("n" * 256), "output_dir")
    check_folder(tmp_path / "new" / ("n" * 255), "output_dir")
    check_folder(tmp_path, "output_dir")
