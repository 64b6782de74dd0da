"""Extra Mile: points for going above and beyond, each resting on a witness."""

__version__ = "0.1.0"
