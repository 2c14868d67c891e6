"""The notebooks of examples/: executed in a folder of their own, and cleaned of what differs from run to run.

Kernels listen to this machine alone, and end with the notebook.

`python -m tests.notebooks` executes all and says what would change; `--write` puts the new output into the files.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_WHERE = re.compile(r"\S*ipykernel_\d+\S*:\d+: ")
"""Where a warning comes from: a file that the kernel has made up for the cell."""


def read(path: Path) -> NotebookNode:
    """A notebook."""
    return nbformat.read(path, as_version=4)


def executed(path: Path, folder: Path) -> NotebookNode:
    """A notebook with fresh output, cleaned; what it writes, and what Jupyter keeps of it, goes to a folder."""
    found = read(path)
    found.metadata = METADATA
    with _own_jupyter():
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(found, timeout=250, kernel_name="python3", resources=resources).execute()
    return cleaned(found)


@contextmanager
def _own_jupyter() -> Iterator[None]:
    """Let Jupyter and IPython keep their files in a folder that is removed."""
    names = ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="nb-") as folder:
        for name in names:
            place = Path(folder) / name.lower()
            place.mkdir(exist_ok=True)
            os.environ[name] = str(place)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """The notebook without times, identifiers and folders of the machine that executed it."""
    notebook.metadata = METADATA
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = {}, f"cell-{number}"
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if "metadata" in output:
                output.metadata = {}
            if output.output_type == "stream":
                output.text = _WHERE.sub("", output.text)
    return notebook


def texts(cell: NotebookNode) -> list[str]:
    """The outputs of a cell as text, errors and pictures included by their kinds."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        kinds = [kind for kind in sorted(data) if kind != "text/plain"]
        found.append(" ".join([output.output_type, *kinds, output.get("text", ""), data.get("text/plain", "")]))
    return found


def main() -> None:
    """Execute all notebooks; with `--write` keep their output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the new output into the files")
    arguments = parser.parse_args()
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            new = executed(path, Path(folder))
        changed = [cell.id for cell, old in zip(new.cells, read(path).cells, strict=True) if texts(cell) != texts(old)]
        print(f"{path.relative_to(ROOT)}: {', '.join(changed) or 'no cell'} with other text than before")
        if arguments.write:
            nbformat.write(new, path)


if __name__ == "__main__":
    main()
