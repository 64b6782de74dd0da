"""The conformance kit: what every helpdesk plugin must do, shown on its own samples.

The test suite and `leaderboard check --plugin` go through the very same rules.
"""

from leaderboard.conformance import content, made_up, proof, pulls, rules
from leaderboard.conformance.kit import Kit, bundled, read_kit
from leaderboard.conformance.rules import Fault, NotShown, Rule, rules_of
from leaderboard.conformance.samples import Sample

__all__ = ["RULES", "Fault", "Kit", "NotShown", "Rule", "Sample", "bundled", "read_kit"]

RULES = [found for module in (rules, proof, content, pulls, made_up) for found in rules_of(module)]
"""In the order in which an author meets them."""
