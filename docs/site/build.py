"""Build the documentation as a site: `python docs/site/build.py build/docs` gives build/docs/html/index.html.

The pages are copied with their links turned to the site's names, what is generated put in its places (`pages.py`), and
the copies given to Sphinx, for which a warning is an error.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # also where Python is told to leave a script's folder out


def build(target: Path) -> int:
    """Write the site below a folder, `source/` and `html/`, and return the exit code."""
    from pages import Pages

    source, html = target / "source", target / "html"
    for folder in (source, html):
        shutil.rmtree(folder, ignore_errors=True)
    Pages(HERE.parent.parent).write(source)
    options = ["--builder", "html", "--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(HERE)]
    code = sphinx([*options, "--doctree-dir", str(target / "doctrees"), "--fresh-env", str(source), str(html)])
    if code == 0:
        print(f"{html / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
