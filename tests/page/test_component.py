"""The files of the components: each folder holds what its component joins, and nothing else."""

from medreasoner.page.component import SCRIPTS, STATIC, style_sheet


def test_a_component_joins_the_files_of_its_own_folder_and_shared_ones():
    for name, scripts in SCRIPTS.items():
        own = {script for script in scripts if not script.startswith("shared/")}
        joined = {f"{name}/{name}.html", f"{name}/{name}.css", *own}
        files = {path.relative_to(STATIC).as_posix() for path in (STATIC / name).iterdir()}
        assert files - {f"{name}/{name}.css"} == joined - {f"{name}/{name}.css"}


def test_every_shared_file_is_used():
    scripts = {script for each in SCRIPTS.values() for script in each}
    folders = {path.name for path in STATIC.iterdir()}
    assert folders == {*SCRIPTS, "shared"}
    for path in (STATIC / "shared").iterdir():
        used = f"shared/{path.name}" in scripts
        assert used or path.read_text(encoding="utf-8") in style_sheet(), path


def test_the_style_sheet_holds_every_css_file_and_names_no_element_that_is_not_there():
    sheet = style_sheet()
    for path in STATIC.rglob("*.css"):
        assert path.read_text(encoding="utf-8") in sheet, path
    assert "--overlay-box:" in sheet
