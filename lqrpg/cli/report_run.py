"""What the report says about one run: its parameters with their sources, its provenance, and warnings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from lqrpg.checks import SettingError
from lqrpg.cli.compose import default_settings
from lqrpg.cli.listing import state
from lqrpg.plugins import choices, config_content, config_text
from lqrpg.report.parameters import Note, Parameter, notes, parameters
from lqrpg.results.lookup import FULL_SCALE, FinishedRun

_STATES = {
    "damaged": "A table of this run is damaged or missing; its command computes it again.",
    "incomplete": "Some trials have no result; its command tries them again.",
    "outdated": "The code or its settings have changed since this run; its command computes it anew.",
    "unknown": "This run's record is of another version: whether it is up to date is not known.",
}
_LINES = {
    "run started": ("started",),
    "finished": ("finished",),
    "seconds, with all that ran beside it": ("seconds",),
    "seconds of work, over all workers": ("busy_seconds",),
    "command": ("argv",),
    "package": ("version",),
    "commit": ("commit", "hash"),
    "uncommitted changes": ("commit", "dirty"),
    "Python": ("python",),
    "libraries": ("libraries",),
    "machine": ("machine",),
    "backend": ("backend",),
    "workers": ("workers",),
    "seed": ("seed",),
    "trials": ("trials", "done"),
    "trials without result": ("trials", "lost"),
    "identity": ("identity",),
    "sources": ("sources",),
}


def warnings_of(run: FinishedRun) -> list[str]:
    """What a reader should know before trusting a run."""
    found = [_STATES[_state(run)]] if _state(run) in _STATES else []
    scale = str(run.provenance.get("scale"))
    if scale != FULL_SCALE:
        found.append(
            f"This run has the sizes of scale={scale}. Claims that need those of scale={FULL_SCALE} are not tested."
        )
    return found


def _state(run: FinishedRun) -> str:
    try:
        return state(run)
    except (SettingError, LookupError, TypeError, ValueError, AttributeError, SyntaxError, OSError):
        return "unknown"


def parameters_of(run: FinishedRun, choice: str, text: str) -> list[Parameter]:
    """The parameters of a run of the experiment `choice`, whose YAML file has that text."""
    settings = run.provenance["settings"]
    system = settings.get("system")
    kind = str(system.get("kind")) if isinstance(system, Mapping) else None
    comments = notes(text, plant=kind) | _system_notes(system)
    own = _settings(choice, str(run.provenance.get("scale")))
    return parameters(settings, comments, own, _settings(choice, FULL_SCALE))


def _system_notes(system: Any) -> dict[str, Note]:
    kind = system.get("kind") if isinstance(system, Mapping) else None
    for name in choices("system"):
        if config_content("system", name).get("kind") == kind:
            return notes(config_text("system", name), "system.")
    return {}


def _settings(choice: str, scale: str) -> dict[str, Any]:
    """The package's own settings of an experiment at a scale; none for a scale that it does not have."""
    try:
        return default_settings(choice, scale)
    except SettingError:
        return {}


def provenance_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and values; what a record does not hold is left out."""
    values = ((label, _at(record, path)) for label, path in _LINES.items())
    return [(label, _text(value)) for label, value in values if value not in (None, {}, [])]


def _at(record: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return shlex.join(map(str, value)) if isinstance(value, list) else str(value)
