"""The gains of a run as a MATLAB file."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pandas as pd
from scipy.io import savemat

from lqrpg.lqr.plant import Array

LONGEST_NAME = 63
"""Letters of a variable of MATLAB's."""


def gains_file(gains: pd.DataFrame) -> bytes:
    """The content of the file.

    It holds `K_METHOD`, (m, n, runs), for each method, and each plant where there are several, with NaN for a run that
    was lost; and `K_optimum`, (m, n), where there is one optimum.

    Parameters
    ----------
    gains : the table of that name.
    """
    content: dict[str, Any] = {}
    keys = ["system", "method"] if "system" in gains else ["method"]
    for names, rows in gains.groupby(keys, sort=False):
        content[_variable("_".join(map(str, names)))] = _matrices(rows, "value")
        content[_variable("_".join([*map(str, names[:-1]), "optimum"]))] = _matrices(rows, "optimum")[:, :, 0]
    stream = io.BytesIO()
    savemat(stream, content)  # type: ignore[arg-type]  # SciPy's stubs know names only
    return stream.getvalue()


def _variable(name: str) -> str:
    """A name that MATLAB takes."""
    return re.sub(r"\W", "_", f"K_{name}", flags=re.ASCII)[:LONGEST_NAME]


def _matrices(rows: pd.DataFrame, column: str) -> Array:
    """A column of the table of one method's gains, (m, n, runs)."""
    shape = rows["row"].max(), rows["column"].max(), rows["replicate"].nunique()
    ordered = rows.sort_values(["row", "column", "replicate"])
    return np.asarray(ordered[column].to_numpy().reshape(shape))
