"""A plugin with all that it shows of itself: what the rules look at."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from flask_babel import gettext as _

from leaderboard import config
from leaderboard.conformance.recordings import Recording, read_recordings
from leaderboard.conformance.samples import Sample, read_sample
from leaderboard.plugin import Invalid, Plugin


@dataclass(frozen=True)
class Kit:
    """A plugin with all its samples: what the rules look at."""

    module: str
    cls: type[Plugin]
    folder: Path
    samples: tuple[Sample, ...]
    pulls: tuple[Recording, ...] = ()
    """Recorded pulls."""
    shown_elsewhere: frozenset[str] = frozenset()
    """Kinds that only a pull brings, and that were shown to come."""
    seed: int = 0
    payloads: int = 0
    """How many payloads are made up."""
    changes: int = 2_000
    """How many bits of what is proven are changed."""

    @property
    def first(self) -> Sample:
        return self.samples[0]

    @property
    def is_pulled(self) -> bool:
        """Whether the plugin can fetch facts by itself."""
        return self.cls.pull is not Plugin.pull

    def dice(self, name: str) -> Random:
        """Chance that the same seed repeats."""
        return Random(f"{self.seed} {name}")  # noqa: S311  (made-up faults, not secrets)

    @property
    def title(self) -> str:
        return self.cls.title or self.cls.__name__


def bundled() -> list[str]:
    """The plugins that come with the program, by their folders."""
    return sorted(file.parent.name for file in config.folder("plugins").glob("*/__init__.py"))


def folder_of(cls: type[Plugin]) -> Path:
    """Where a plugin's samples are: beside its __init__.py."""
    return Path(inspect.getfile(cls)).parent / "samples"


def read_kit(module: str, folder: Path | None = None, **more: Any) -> Kit:
    """A plugin by its module, with its samples. Raises Invalid, saying what to mend, where they cannot be read."""
    try:
        cls = config.plugin_class(module)
    except ModuleNotFoundError as error:
        raise Invalid(
            _(
                "There is no plugin “%(name)s” (%(reason)s): write the name of a folder in plugins/ or of a package's "
                "module that Python finds.",
                name=module,
                reason=error,
            )
        ) from None
    where = folder or folder_of(cls)
    samples = tuple(read_sample(module, file) for file in sorted(where.glob("*.body")))
    pulls = read_recordings(module, where, {sample.case: sample.events for sample in samples})
    return Kit(module, cls, where, samples, tuple(pulls), **more)
