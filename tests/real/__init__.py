"""Real helpdesks, as their makers publish them, each in an environment of its own."""
