"""What can be wrong: not from the tool, not right, not now."""


class Refused(Exception):
    """The delivery is not from the tool it claims to be from. Answered 401, counted, not stored."""


class Invalid(Exception):
    """What came in cannot be right; the message says what to do about it and is shown to the sender or the person.

    `field` names the input that it is about, where there is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class TryLater(Exception):
    """The tool asks to wait before the next pull. `seconds` is how long (already bounded)."""

    def __init__(self, message: str, seconds: float = 60) -> None:
        super().__init__(message)
        self.seconds = seconds
