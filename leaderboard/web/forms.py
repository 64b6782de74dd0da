"""What our forms share: fields that take what browsers send, and refusals beside the field they are about."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms.fields.choices import SelectChoice

from leaderboard.plugin import Invalid


class Form(FlaskForm):  # type: ignore[misc]
    """A form with a CSRF token; texts come stripped and are checked by the function that keeps them."""

    def blame(self, error: Invalid) -> None:
        """Put a refusal beside its field, or above the form where it is about none of them."""
        field: Any = self[error.field] if error.field and error.field in self else None
        if field is None:
            self.form_errors.append(error.message)
        else:
            field.errors = [*field.errors, error.message]


def options(*pairs: tuple[str, Any]) -> list[SelectChoice]:
    """The choices of a select or radio field: (value, label), labels translated when they are shown."""
    return [SelectChoice(value, label) for value, label in pairs]


def stripped(text: str | None) -> str:
    return (text or "").strip()
