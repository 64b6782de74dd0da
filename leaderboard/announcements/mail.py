"""One plain message by SMTP, as `[mail]` says: announcements, and the mails of signing in."""

import re
import smtplib
import ssl
import unicodedata
from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import make_msgid

from leaderboard.config import Config, Mail

MAX_SUBJECT = 150


class NotSent(Exception):
    """A message did not go out; the text says why and holds no secret.

    `lasting`: trying again later cannot help. `unsure`: it may have arrived all the same, so nobody but a person may decide to
    send it again.
    """

    def __init__(self, message: str, *, lasting: bool = False, unsure: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.unsure = unsure


def send_mail(
    config: Config,
    to: str | Sequence[str],
    subject: str,
    text: str,
    *,
    html: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send plain text to one or several addresses in one message; returns when the server has taken it. Raises NotSent.

    `html` says the same for programs that show it; `headers` come on top of our own. Call it outside any unit of work: it
    may wait `[mail] timeout` seconds at each step.
    """
    mail = config.mail
    if not mail.server:
        raise NotSent("no mail server is configured: set [mail] server", lasting=True)
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join([to] if isinstance(to, str) else to)
    message["Subject"] = clean_subject(subject)
    message["Message-ID"] = make_msgid(domain=mail.sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    handed_over = False
    try:
        server = _connect(mail)
        try:
            handed_over = True
            refused = server.send_message(message)
        finally:
            server.close()  # no QUIT: whatever it answered would say nothing about the message
    except smtplib.SMTPResponseException as error:  # the server answered, so it knows that it did not take it
        raise NotSent(
            f"the mail server answered {error.smtp_code}", lasting=error.smtp_code >= 500
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise NotSent(
            f"the mail server refused every address ({', '.join(map(str, codes))})", lasting=min(codes) >= 500
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise NotSent(f"the mail server cannot do this: {error}", lasting=True) from error
    except (OSError, smtplib.SMTPException) as error:
        # Once the message was being handed over, silence does not say whether it was taken.
        raise NotSent(_no_answer(error), unsure=handed_over) from error
    if refused:
        raise NotSent(f"the mail server refused {len(refused)} of the addresses", lasting=True, unsure=True)


def reach(config: Config) -> None:
    """Connect and sign in as for a message, and send none. Raises NotSent."""
    try:
        _connect(config.mail).close()
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"the mail server answered {error.smtp_code}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(_no_answer(error)) from error


def clean_subject(text: str) -> str:
    """One line without controls or hidden line breaks, at most 150 characters.

    Encoded words are decoded first: older email packages let a line break inside one become a header (CVE-2024-6923).
    """
    try:
        text = str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        text = text.replace("=?", "= ?")
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    short = re.sub(r"\s+", " ", visible).strip()
    return short if len(short) <= MAX_SUBJECT else short[: MAX_SUBJECT - 1].rstrip() + "…"


def _connect(mail: Mail) -> smtplib.SMTP:
    """A server ready for a message: greeted, encrypted and signed in to as `[mail]` says."""
    server: smtplib.SMTP
    if mail.security == "tls":
        server = smtplib.SMTP_SSL(
            mail.server, mail.port, timeout=mail.timeout, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(mail.server, mail.port, timeout=mail.timeout)
    try:
        if mail.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if mail.username:
            server.login(mail.username, mail.password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _no_answer(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    return f"the mail server could not be reached ({type(error).__name__})"
