"""Tables that later versions are compared with, and how they are made; one BLAS thread, as on the command line."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
