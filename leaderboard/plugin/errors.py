"""What can be wrong: not from the tool, not right, not now."""

from typing import Literal


class Refused(Exception):
    """The delivery is not from the tool it claims to be from. Answered 401, counted, not stored.

    `cause` is what /admin explains beside the words: "signature" (its proof is missing or wrong), "clock" (its time stamp
    is `off` seconds from our clock, above 0 where it is ahead), "account" (it proves itself, but is about another account
    of the tool than the settings name) or "unasked" (this source takes no webhooks).
    """

    def __init__(
        self,
        message: str = "",
        cause: Literal["signature", "clock", "account", "unasked"] = "signature",
        off: int | None = None,
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.off = off


class Invalid(Exception):
    """What came in cannot be right; the message says what to do about it and is shown to the sender or the person.

    `field` names the input that it is about, where there is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NoRights(Invalid):
    """The tool refuses our credentials, or does not let them read what a pull reads."""


class TryLater(Exception):
    """The tool asks to wait before the next pull. `seconds` is how long (already bounded)."""

    def __init__(self, message: str, seconds: float = 60) -> None:
        super().__init__(message)
        self.seconds = seconds
