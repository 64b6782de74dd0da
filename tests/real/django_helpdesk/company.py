"""Makes the tables and the company (two agents, a reader for the API, a queue that takes mail, a promised time), and serves.

What it is started with is the address to serve at.
"""

import os
import sys
from pathlib import Path

import django
from django.core.management import call_command

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from helpdesk.models import CustomField, Queue  # noqa: E402

call_command("migrate", verbosity=0)
for name in ("ana", "ben", "reader"):
    User.objects.create_user(name, f"{name}@example.com", name, is_staff=True)
User.objects.filter(username="ana").update(first_name="Ana")
inbox = Path(os.environ["HELPDESK_FOLDER"]) / "inbox"
inbox.mkdir()
Queue.objects.create(
    title="Front desk",
    slug="desk",
    email_address="desk@example.com",
    allow_public_submission=True,
    allow_email_submission=True,
    email_box_type="local",
    email_box_local_dir=f"{inbox}/",
    email_box_interval=0,
)
CustomField.objects.create(
    name="promised_for", label="Promised for", data_type="datetime", staff_only=True, ordering=1
)
call_command("runserver", sys.argv[1], use_reloader=False, skip_checks=True)
