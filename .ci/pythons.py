"""Which Python make uses, and which others there are.

    PYTHON pythons.py check NAME TARGET   print one line if this Python, called NAME, does not serve; else nothing
    PYTHON pythons.py list                print the path of each supported Python on this machine, one per version

This file also runs under Pythons that are too old for the package, 2.7 included, to say so.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def supported():
    """The first supported version and the first one that is not, as `requires-python` of pyproject.toml says."""
    with open(os.path.join(ROOT, "pyproject.toml")) as file:
        first, last = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', file.read(), re.MULTILINE).groups()
    return (3, int(first)), (3, int(last))


def folders():
    """The folders in which Pythons are looked for: those of PATH, then pyenv's."""
    pyenv = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser(os.path.join("~", ".pyenv")), "versions")
    versions = sorted(os.listdir(pyenv)) if os.path.isdir(pyenv) else []
    found = os.environ.get("PATH", "").split(os.pathsep) + [os.path.join(pyenv, each, "bin") for each in versions]
    return [folder for folder in found if os.path.isdir(folder)]


def runs(path, version):
    """Whether a file is a Python of that version that can make environments."""
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (%d, %d))" % version
    try:
        with open(os.devnull, "w") as null:
            return subprocess.call([path, "-c", code], stdout=null, stderr=null) == 0
    except OSError:
        return False


def others():
    """The paths of the supported Pythons, the newest first, one per version."""
    first, end = supported()
    found = []
    for version in [(3, minor) for minor in range(end[1] - 1, first[1] - 1, -1)]:
        candidates = (os.path.join(folder, "python%d.%d" % version) for folder in folders())
        found += [path for path in candidates if os.access(path, os.X_OK) and runs(path, version)][:1]
    return found


def lacking():
    """What this Python lacks; empty if it serves."""
    first, end = supported()
    if not first <= sys.version_info[:2] < end:
        return "lqrpg needs Python %d.%d to %d.%d" % (first + (end[0], end[1] - 1))
    missing = []
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            missing.append(module)
    if not missing:
        return ""
    package = "python%d.%d-venv" % sys.version_info[:2]
    return "it lacks %s (on Debian and Ubuntu: apt install %s)" % (" and ".join(missing), package)


def advice(target):
    """How to choose another Python, by the example of one that is there or could be."""
    found = others()
    begin = "choose another" if found else "install another"
    example = found[0] if found else "python%d.%d" % (3, supported()[1][1] - 1)
    return "%s: make PYTHON=%s %s" % (begin, example, target)


def main(arguments):
    """Do what the words of the command line ask."""
    if arguments[0] == "list":
        print("\n".join(others()))
    elif lacking():
        found = "%s is Python %d.%d.%d" % ((arguments[1],) + tuple(sys.version_info[:3]))
        print(("%s: %s; %s" % (found, lacking(), advice(arguments[2]))).strip())


if __name__ == "__main__":
    main(sys.argv[1:])
