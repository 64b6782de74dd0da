"""Every folder in plugins/ is tested here by itself: by the conformance kit, the corpora and a tool that answers pulls."""

from leaderboard import config
from leaderboard.conformance import Sample, bundled, read_kit
from leaderboard.conformance.rules import translated
from leaderboard.conformance.samples import leaves, replaced

__all__ = [
    "FOLDER",
    "KITS",
    "OF_TOOL",
    "SAMPLES",
    "SENDING",
    "TOOLS",
    "Sample",
    "leaves",
    "replaced",
    "translated",
]

FOLDER = config.folder("plugins")
TOOLS = bundled()
KITS = {tool: read_kit(tool) for tool in TOOLS}
OF_TOOL = {tool: list(kit.samples) for tool, kit in KITS.items()}
SAMPLES = [sample for samples in OF_TOOL.values() for sample in samples]
SENDING = [tool for tool in TOOLS if KITS[tool].cls.sends]
"""Tools that call us; the others are only pulled."""
